//! What users without rights may measure by hardware counters. It is no source of noise, and
//! loosens the host's security: so it is changed only when asked for.
//!
//! The kernel's `Documentation/admin-guide/sysctl/kernel.rst`, `perf_event_paranoid`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;
use crate::tuning::policy::PerfEventParanoid;

const FILE: &str = "/proc/sys/kernel/perf_event_paranoid";

#[derive(Debug)]
pub(super) struct PerfEvents(pub(super) Option<PerfEventParanoid>);

impl Knob for PerfEvents {
    fn name(&self) -> &'static str {
        "perf-event-paranoid"
    }

    fn wish(&self, place: &Place) -> Wish {
        match self.0 {
            // A file without a wanted value would do: the user sees what it is.
            None => Wish::one(place, FILE, place.value(FILE).unwrap_or_default()),
            Some(wanted) => Wish::one(place, FILE, wanted.to_string()),
        }
    }
}
