//! In what the machines of two results differ, and which of that speaks against comparing them.

use std::collections::{BTreeMap, BTreeSet};

use bencher_runner::machine::{ClockKind, VirtualClock};
use bencher_runner::result::{Host, Setup};
use bencher_runner::tuning::KnobState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::text::one_line;

/// Something that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// The baseline's.
    pub baseline: String,
    /// The candidate's.
    pub candidate: String,
    /// Whether it speaks against comparing the sides: another machine or another clock.
    pub matters: bool,
}

/// What the guest's kernel is called.
pub(super) const GUEST_KERNEL: &str = "guest kernel";

/// In what the machines and hosts of two results differ; what matters comes first.
pub fn differences(baseline: (&Setup, &Host), candidate: (&Setup, &Host)) -> Vec<Difference> {
    let sides = [baseline, candidate];
    let is_virtual = sides
        .iter()
        .all(|(setup, _)| setup.machine.description.clock == ClockKind::Virtual);
    let rows = sides.map(|(setup, host)| facts(setup, host, is_virtual));
    let [of_baseline, of_candidate] = rows;
    let mut found: Vec<_> = of_baseline
        .into_iter()
        .zip(of_candidate)
        .filter(|(one, other)| one.value != other.value)
        .map(|(one, other)| Difference {
            what: one.what.to_owned(),
            baseline: one_line(one.value.as_deref().unwrap_or("unknown")),
            candidate: one_line(other.value.as_deref().unwrap_or("unknown")),
            matters: one.matters,
        })
        .chain(knobs(baseline.1, candidate.1))
        .collect();
    found.sort_by_key(|difference| !difference.matters);
    found
}

/// What is known of a machine and its host, by names.
pub(crate) fn facts_of(
    setup: &Setup,
    host: &Host,
    is_virtual: bool,
) -> impl Iterator<Item = (String, String)> {
    let facts = facts(setup, host, is_virtual).into_iter();
    facts.map(|fact| (fact.what.to_owned(), fact.value.unwrap_or_default()))
}

/// Something about a machine.
struct Fact {
    what: &'static str,
    value: Option<String>,
    matters: bool,
}

/// What is known of a machine, in the same order for each. Under a virtual clock times depend on what
/// is emulated and not on the host.
fn facts(setup: &Setup, host: &Host, is_virtual: bool) -> Vec<Fact> {
    let (machine, description) = (&setup.machine, &setup.machine.description);
    let kernel = machine.kernel.as_ref();
    let always = |what, value| Fact {
        what,
        value,
        matters: true,
    };
    let of_hardware = |what, value| Fact {
        what,
        value,
        matters: !is_virtual,
    };
    let note = |what, value| Fact {
        what,
        value,
        matters: false,
    };
    let layout = host.cpu_layout.as_ref();
    vec![
        always("clock", name(&description.clock)),
        always(
            "virtual clock",
            description.virtual_clock.as_ref().map(in_words),
        ),
        always("sandbox", name(&description.sandbox)),
        always("accelerator", name(&description.accelerator)),
        always("architecture", Some(host.architecture.clone())),
        of_hardware("processor", host.cpu_model.clone()),
        of_hardware("CPUs of the host", host.cpus.map(|cpus| cpus.to_string())),
        always("virtual CPUs", machine.vcpus.map(|vcpus| vcpus.to_string())),
        note(
            "memory",
            machine.memory_bytes.map(|memory| memory.to_string()),
        ),
        note("huge pages", Some(machine.huge_pages.to_string())),
        note("disk", machine.disk_bytes.map(|disk| disk.to_string())),
        note("root device", name(&description.root_device)),
        note(GUEST_KERNEL, kernel.map(|kernel| kernel.sha256.clone())),
        note(
            "initramfs",
            kernel.map(|kernel| kernel.initramfs_id.clone()),
        ),
        note("VMM", machine.vmm_version.clone()),
        note("host kernel", host.kernel_release.clone()),
        note("memory layouts", name(&setup.command.layouts)),
        note(
            "tuned by",
            host.tuning
                .as_ref()
                .and_then(|tuning| name(&tuning.tuned_by)),
        ),
        note(
            "benchmark CPUs",
            layout.and_then(|layout| layout.benchmark.clone()),
        ),
    ]
}

/// The name that a value has in documents.
fn name<T: Serialize>(value: &T) -> Option<String> {
    let value = serde_json::to_value(value).ok()?;
    value.as_str().map(str::to_owned)
}

fn in_words(clock: &VirtualClock) -> String {
    format!(
        "{} MIPS, -cpu {}, -M {}, seed {}, from {}",
        clock.mips, clock.cpu_model, clock.machine_type, clock.seed, clock.epoch
    )
}

/// Knobs of the hosts that stood differently.
fn knobs<'a>(baseline: &'a Host, candidate: &'a Host) -> impl Iterator<Item = Difference> + 'a {
    let of = |host: &'a Host| {
        let tuning = host.tuning.iter();
        tuning
            .flat_map(|tuning| &tuning.knobs)
            .map(|knob| (knob.name.clone(), values(knob)))
            .collect::<BTreeMap<_, _>>()
    };
    let (mut one, mut other) = (of(baseline), of(candidate));
    let names: BTreeSet<_> = one.keys().chain(other.keys()).cloned().collect();
    names.into_iter().filter_map(move |name| {
        let (baseline, candidate) = (one.remove(&name)?, other.remove(&name)?);
        (baseline != candidate).then(|| Difference {
            what: format!("knob {}", one_line(&name)),
            baseline: one_line(&baseline),
            candidate: one_line(&candidate),
            matters: false,
        })
    })
}

/// The different values that the files of a knob have.
fn values(knob: &KnobState) -> String {
    let values: BTreeSet<_> = knob
        .settings
        .iter()
        .map(|setting| {
            setting
                .value
                .clone()
                .unwrap_or_else(|| "unknown".to_owned())
        })
        .collect();
    Vec::from_iter(values).join(", ")
}

#[cfg(test)]
mod tests {
    use bencher_runner::units::ByteSize;

    use super::*;
    use crate::samples::tests::document;

    fn sides() -> [(Setup, Host); 2] {
        [document(&[1, 2]), document(&[1, 2])]
            .map(|document| (document.setup.expect("it ran"), document.host))
    }

    /// What differs when `change` happened to the candidate, with whether it matters.
    fn found(change: impl FnOnce(&mut Setup, &mut Host)) -> Vec<(String, bool)> {
        let [baseline, mut candidate] = sides();
        change(&mut candidate.0, &mut candidate.1);
        differences((&baseline.0, &baseline.1), (&candidate.0, &candidate.1))
            .into_iter()
            .map(|difference| (difference.what, difference.matters))
            .collect()
    }

    #[test]
    fn a_machine_is_like_itself() {
        assert_eq!(found(|_, _| {}), []);
    }

    #[test]
    fn other_machines_and_clocks_matter_other_settings_are_noted() {
        let one = |what: &str, matters| vec![(what.to_owned(), matters)];
        let processor = found(|_, host| host.cpu_model = Some("Other".to_owned()));
        assert_eq!(processor, one("processor", true));
        let clock = found(|setup, _| setup.machine.description.clock = ClockKind::Virtual);
        assert_eq!(clock, one("clock", true));
        let disk = found(|setup, _| setup.machine.disk_bytes = Some(ByteSize::from_mebibytes(7)));
        assert_eq!(disk, one("disk", false));
        let knob = found(|_, host| {
            let tuning = host.tuning.as_mut().expect("it is known");
            let knob = tuning.knobs.iter_mut().find(|knob| knob.name == "aslr");
            knob.expect("it is one").settings[0].value = Some("0".to_owned());
        });
        assert_eq!(knob, one("knob aslr", false));
    }

    #[test]
    fn what_matters_comes_first() {
        let both = found(|setup, host| {
            host.kernel_release = None;
            setup.machine.disk_bytes = None;
            host.architecture = "aarch64".to_owned();
        });
        let matters: Vec<bool> = both.iter().map(|found| found.1).collect();
        assert_eq!(matters, [true, false, false]);
    }

    #[test]
    fn under_a_virtual_clock_the_hardware_does_not_matter() {
        let [mut baseline, mut candidate] = sides();
        for side in [&mut baseline, &mut candidate] {
            side.0.machine.description.clock = ClockKind::Virtual;
        }
        candidate.1.cpu_model = Some("Other".to_owned());
        let found = differences((&baseline.0, &baseline.1), (&candidate.0, &candidate.1));
        assert_eq!(found.len(), 1);
        assert!(!found[0].matters, "{found:?}");
    }
}
