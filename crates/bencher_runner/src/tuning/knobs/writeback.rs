//! Periodic writeback of dirty pages, every five seconds by default. Once a minute keeps it out of
//! most runs, and what the host's processes write still gets to the disk.
//!
//! The kernel's `Documentation/admin-guide/sysctl/vm.rst`, `dirty_writeback_centisecs`, in
//! hundredths of a second.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Writeback;

impl Knob for Writeback {
    fn name(&self) -> &'static str {
        "writeback"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/vm/dirty_writeback_centisecs", "6000")
    }
}
