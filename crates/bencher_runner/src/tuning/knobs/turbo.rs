//! Frequencies above the nominal one: how long they last depends on temperature, power and on what
//! the other cores do.
//!
//! ```text
//! intel_pstate            intel_pstate/no_turbo
//! any driver, each CPU    cpufreq/policy*/boost        (amd-pstate: Linux 6.11 and newer)
//! any driver, all CPUs    cpufreq/boost                (acpi-cpufreq)
//! amd-pstate before that  cpufreq/policy*/scaling_max_freq at most acpi_cppc/nominal_freq
//! ```
//!
//! The kernel's `Documentation/admin-guide/pm/{intel_pstate,amd-pstate,cpufreq}.rst`.

use std::path::Path;

use super::cpufreq::{self, FOLDER, policies};
use crate::tuning::knob::{Form, Knob, Setting, Wish};
use crate::tuning::place::Place;

const NO_TURBO: &str = "/sys/devices/system/cpu/intel_pstate/no_turbo";

#[derive(Debug)]
pub(super) struct Turbo;

impl Knob for Turbo {
    fn name(&self) -> &'static str {
        "turbo"
    }

    fn wish(&self, place: &Place) -> Wish {
        if place.exists(NO_TURBO) {
            return Wish::set(vec![Setting::new(NO_TURBO, "1", Form::Plain)]);
        }
        let policies = policies(place);
        let off = |file| Setting::new(file, "0", Form::Plain);
        // The one for all CPUs would turn it on for all of them when it is put back, also where it
        // was off: so those of each CPU come first.
        let boosts: Vec<_> = policies
            .iter()
            .map(|policy| policy.join("boost"))
            .filter(|file| place.exists(file))
            .map(off)
            .collect();
        if !boosts.is_empty() {
            return Wish::set(boosts);
        }
        let boost = Path::new(FOLDER).join("boost");
        if place.exists(&boost) {
            return Wish::set(vec![off(boost)]);
        }
        let caps: Vec<_> = policies
            .iter()
            .filter_map(|policy| nominal_cap(place, policy))
            .collect();
        if caps.is_empty() {
            let reason = if policies.is_empty() {
                cpufreq::NONE
            } else {
                "this frequency driver has no switch for it"
            };
            return Wish::Unavailable(reason.to_owned());
        }
        Wish::set(caps)
    }
}

/// The highest frequency of an amd-pstate policy without turbo.
fn nominal_cap(place: &Place, policy: &Path) -> Option<Setting> {
    let driver = place.value(policy.join("scaling_driver"))?;
    if !driver.starts_with("amd-pstate") {
        return None;
    }
    let cpu = cpufreq::cpus(place, policy)?.iter().next()?;
    let nominal = format!("/sys/devices/system/cpu/cpu{cpu}/acpi_cppc/nominal_freq");
    let megahertz: u64 = place.value(nominal)?.parse().ok()?;
    let file = policy.join("scaling_max_freq");
    let present: u64 = place.value(&file)?.parse().ok()?;
    // A lower limit is somebody's wish.
    let cap = present.min(megahertz.checked_mul(1000)?);
    Some(Setting::new(file, cap.to_string(), Form::Kilohertz))
}
