//! The frequency governor: all but `performance` change the frequency with the load.
//!
//! The kernel's `Documentation/admin-guide/pm/cpufreq.rst`, `scaling_governor`.

use super::cpufreq::{self, policies};
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

#[derive(Debug)]
pub(super) struct Governor(pub(super) String);

impl Knob for Governor {
    fn name(&self) -> &'static str {
        "governor"
    }

    fn wish(&self, place: &Place) -> Wish {
        let policies = policies(place);
        if policies.is_empty() {
            return Wish::Unavailable(cpufreq::NONE.to_owned());
        }
        for policy in &policies {
            let available = place.value(policy.join("scaling_available_governors"));
            let available = available.unwrap_or_default();
            if !available.split_whitespace().any(|name| name == self.0) {
                return Wish::Unavailable(format!(
                    "there is no governor {}: this host has {available}",
                    self.0
                ));
            }
        }
        let set = |policy: std::path::PathBuf| {
            Setting::new(policy.join("scaling_governor"), &self.0, Form::Plain)
        };
        Wish::set(policies.into_iter().map(set).collect())
    }
}
