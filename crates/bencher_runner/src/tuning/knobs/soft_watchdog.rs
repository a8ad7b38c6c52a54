//! The soft lockup detector: a timer of each CPU, and work on it that must come through.
//!
//! The kernel's `Documentation/admin-guide/sysctl/kernel.rst`, `soft_watchdog`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct SoftWatchdog;

impl Knob for SoftWatchdog {
    fn name(&self) -> &'static str {
        "soft-watchdog"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/kernel/soft_watchdog", "0")
    }
}
