//! Kernel samepage merging: a thread that scans memory, QEMU's guests included, and pages that have
//! to be copied once they are written. What is merged already stays so.
//!
//! The kernel's `Documentation/admin-guide/mm/ksm.rst`, `run`.

use crate::tuning::knob::{Knob, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Ksm;

impl Knob for Ksm {
    fn name(&self) -> &'static str {
        "ksm"
    }

    fn wish(&self, place: &Place) -> Wish {
        Wish::one(place, "/sys/kernel/mm/ksm/run", "0")
    }
}
