//! Each CPU's statistics of memory, added up on that CPU every second by default.
//!
//! The kernel's `Documentation/admin-guide/sysctl/vm.rst`, `stat_interval`, in seconds.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct VmStat;

impl Knob for VmStat {
    fn name(&self) -> &'static str {
        "vm-stat"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/vm/stat_interval", "60")
    }
}
