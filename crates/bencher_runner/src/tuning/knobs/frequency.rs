//! The lowest frequency, raised to the highest that is allowed: hardware that chooses by itself has
//! nothing to choose. The highest one stays, since somebody may have limited it, by heat or noise.
//!
//! The kernel's `Documentation/admin-guide/pm/cpufreq.rst`, `scaling_min_freq`, in kHz.

use super::cpufreq::{self, policies};
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Frequency;

impl Knob for Frequency {
    fn name(&self) -> &'static str {
        "frequency"
    }

    fn wish(&self, place: &Place) -> Wish {
        let pin = |policy: std::path::PathBuf| {
            let highest = place.value(policy.join("scaling_max_freq"))?;
            let file = policy.join("scaling_min_freq");
            Some(Setting::new(file, highest, Form::Kilohertz))
        };
        let pins: Vec<_> = policies(place).into_iter().filter_map(pin).collect();
        if pins.is_empty() {
            return Wish::Unavailable(cpufreq::NONE.to_owned());
        }
        Wish::set(pins)
    }
}
