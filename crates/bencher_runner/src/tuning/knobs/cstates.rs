//! Deep idle states: waking from them takes up to hundreds of microseconds, and caches are cold
//! afterwards.
//!
//! The limit holds for all CPUs as long as the file is open, and goes with the process. It leaves
//! the shallowest halt (C1, which takes 1 or 2 µs to leave): a limit of 0 would have idle CPUs spin,
//! which heats the package and takes power from the busy ones.
//!
//! The kernel's `Documentation/power/pm_qos_interface.rst`: a 32-bit number of microseconds, in the
//! host's byte order.

use std::path::PathBuf;

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

const FILE: &str = "/dev/cpu_dma_latency";

/// How long waking up may take, in microseconds.
const LATENCY: i32 = 2;

#[derive(Debug)]
pub(super) struct CStates;

impl Knob for CStates {
    fn name(&self) -> &'static str {
        "cstates"
    }

    fn wish(&self, place: &Place) -> Wish {
        if !place.exists(FILE) {
            return Wish::Unavailable(format!("no {FILE}"));
        }
        Wish::Hold {
            file: PathBuf::from(FILE),
            content: LATENCY.to_ne_bytes(),
            shown: LATENCY.to_string(),
        }
    }
}
