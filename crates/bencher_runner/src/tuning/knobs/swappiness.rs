//! How eagerly the host swaps. A VMM's own cgroup has no swap at all; this is about everything
//! else on the host, whose swapping takes the disk and the CPU's time.
//!
//! The kernel's `Documentation/admin-guide/sysctl/vm.rst`, `swappiness`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;
use crate::tuning::policy::Swappiness;

#[derive(Debug)]
pub(super) struct HostSwappiness(pub(super) Swappiness);

impl Knob for HostSwappiness {
    fn name(&self) -> &'static str {
        "swappiness"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/vm/swappiness", self.0.to_string())
    }
}
