//! What the processor weighs when it chooses a frequency by itself: performance, and nothing else.
//!
//! With the governor `performance` the kernel sees to that, and lets nobody change it. But some
//! kernels leave it so when the governor is another one again. So it is changed before the governor
//! is, and put back after it.
//!
//! The kernel's `Documentation/admin-guide/pm/{intel_pstate,amd-pstate}.rst`,
//! `energy_performance_preference`.

use std::path::PathBuf;

use super::cpufreq::policies;
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct EnergyPreference;

impl Knob for EnergyPreference {
    fn name(&self) -> &'static str {
        "energy-preference"
    }

    fn wish(&self, place: &Place) -> Wish {
        let files: Vec<PathBuf> = policies(place)
            .iter()
            .map(|policy| policy.join("energy_performance_preference"))
            .filter(|file| place.exists(file))
            .collect();
        if files.is_empty() {
            return Wish::Absent("the processor is given no such preference".to_owned());
        }
        let prefer = |file| Setting {
            // It is the governor's then.
            may_refuse: true,
            ..Setting::new(file, "performance", Form::Plain)
        };
        Wish::set(files.into_iter().map(prefer).collect())
    }
}
