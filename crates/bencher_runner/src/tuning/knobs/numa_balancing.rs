//! Automatic NUMA balancing: it takes pages away from a process to see who touches them, and moves
//! them and threads.
//!
//! The kernel's `Documentation/admin-guide/sysctl/kernel.rst`, `numa_balancing`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct NumaBalancing;

impl Knob for NumaBalancing {
    fn name(&self) -> &'static str {
        "numa-balancing"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/kernel/numa_balancing", "0")
    }
}
