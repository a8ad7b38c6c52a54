//! Timers that move from idle CPUs to busy ones: to the benchmark's.
//!
//! `timer_migration` is in `kernel/time/timer.c` of the kernel; it has no documentation of its own.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct TimerMigration;

impl Knob for TimerMigration {
    fn name(&self) -> &'static str {
        "timer-migration"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/proc/sys/kernel/timer_migration", "0")
    }
}
