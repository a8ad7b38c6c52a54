//! The kernel's own work that is bound to no CPU, such as writeback: it runs wherever the scheduler
//! likes.
//!
//! The kernel's `Documentation/core-api/workqueue.rst`, "Affinity Scopes", and
//! `Documentation/admin-guide/kernel-parameters.txt`, `workqueue.unbound_cpus`.

use crate::cpus::CpuSet;
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

const FILE: &str = "/sys/devices/virtual/workqueue/cpumask";

/// Why nothing is steered anywhere.
pub(super) const NOTHING_APART: &str = "no CPUs are set apart for the host's own work";

#[derive(Debug)]
pub(super) struct Workqueues(pub(super) Option<CpuSet>);

impl Knob for Workqueues {
    fn name(&self) -> &'static str {
        "workqueues"
    }

    fn wish(&self, place: &Place) -> Wish {
        match &self.0 {
            None => Wish::Absent(NOTHING_APART.to_owned()),
            Some(_) if !place.exists(FILE) => Wish::no_file(FILE),
            Some(housekeeping) => {
                Wish::set(vec![Setting::new(FILE, housekeeping.mask(), Form::CpuMask)])
            }
        }
    }
}
