//! The hard lockup detector: it takes a hardware counter of each CPU, and interrupts the CPU whenever
//! that overflows.
//!
//! The kernel's `Documentation/admin-guide/sysctl/kernel.rst`, `nmi_watchdog`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct NmiWatchdog;

impl Knob for NmiWatchdog {
    fn name(&self) -> &'static str {
        "nmi-watchdog"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/kernel/nmi_watchdog", "0")
    }
}
