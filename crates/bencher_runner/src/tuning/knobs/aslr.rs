//! Address space layout randomization: where a process's parts lie decides which of them share cache
//! sets and pages, so each start of the VMM, or of a command without one, has another speed.
//!
//! The kernel's `Documentation/admin-guide/sysctl/kernel.rst`, `randomize_va_space`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Aslr;

impl Knob for Aslr {
    fn name(&self) -> &'static str {
        "aslr"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/kernel/randomize_va_space", "0")
    }
}
