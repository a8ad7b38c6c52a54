//! Shows that every scenario can fail: its check is tried on the record of a good run, which must
//! pass, and on the same record as a broken runner would have left it, which must not.
//!
//! The records are in `scenarios/records`, by backend and name. After a change of what a scenario
//! does they are made anew with `cargo test-runner scenarios --record DIR`, and those of scenarios
//! that tune the host with `cargo test-runner lab scenarios --record DIR`.

mod breaks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::backend::Backend;
use super::bytes::Bytes;
use super::families;
use super::record::Record;
use super::scenario::Scenario;
use super::surroundings::Need;
use breaks::{BREAKS, Broken};

/// The backends of which there are records: three with a kernel of its own, one without.
const RECORDED: [Backend; 4] = [
    Backend::Firecracker,
    Backend::QemuKvm,
    Backend::QemuTcg,
    Backend::Host,
];

/// Whether there is a record of `scenario` on `backend`. With a kernel of its own one is enough: that
/// of the machine that every host has, and that of the lab for what tunes the host or needs more CPUs
/// than many a host has, or installs services, for which the machine is taken that every lab has.
fn is_recorded(scenario: &Scenario, backend: Backend) -> bool {
    let installs = scenario.needs.contains(&Need::Services);
    let in_lab = scenario.needs.contains(&Need::TunableHost) || scenario.cpus() > 2;
    scenario.on.includes(backend)
        && match backend {
            Backend::Firecracker => in_lab && !installs,
            Backend::QemuKvm => installs,
            Backend::QemuTcg => !in_lab && !installs,
            Backend::Host => true,
        }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/records")
}

fn path(backend: Backend, name: &str) -> PathBuf {
    folder().join(backend.name()).join(format!("{name}.json"))
}

/// Every scenario with its record on every recorded backend where it has a meaning.
fn recorded() -> Vec<(&'static Scenario, Record)> {
    let mut all = Vec::new();
    for backend in RECORDED {
        for scenario in families::all().filter(|scenario| is_recorded(scenario, backend)) {
            let path = path(backend, scenario.name);
            let text = fs::read_to_string(&path);
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let record = serde_json::from_str(&text);
            let record = record.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            all.push((scenario, record));
        }
    }
    all
}

#[test]
fn every_record_belongs_to_a_scenario() {
    for backend in RECORDED {
        let known: BTreeSet<_> = families::all()
            .filter(|scenario| is_recorded(scenario, backend))
            .map(|scenario| path(backend, scenario.name))
            .collect();
        let records = fs::read_dir(folder().join(backend.name())).expect("records are there");
        for entry in records {
            let path = entry.expect("an entry").path();
            assert!(known.contains(&path), "{} is stale", path.display());
        }
    }
}

#[test]
fn a_good_run_passes() {
    for (scenario, record) in recorded() {
        let checked = (scenario.check)(&record);
        assert_eq!(checked, Ok(()), "{} on {:?}", scenario.name, record.backend);
    }
}

#[test]
fn what_a_broken_runner_leaves_does_not_pass() {
    let mut tried = 0;
    let mut undetected = Vec::new();
    for (scenario, record) in recorded() {
        // Others have a test of their own.
        if record.runs.is_empty() {
            continue;
        }
        // The check notes what it looks at, which is then broken too.
        let _passes = (scenario.check)(&record);
        for Broken { name, make } in BREAKS {
            for broken in make(&record) {
                assert_ne!(
                    broken, record,
                    "{name} changes nothing of {}",
                    scenario.name
                );
                tried += 1;
                if (scenario.check)(&broken).is_ok() {
                    undetected.push(format!(
                        "{} on {}: {name}",
                        scenario.name,
                        record.backend.name()
                    ));
                }
            }
        }
    }
    assert!(undetected.is_empty(), "{undetected:#?}");
    assert!(
        tried > 20 * families::all().count(),
        "only {tried} were tried"
    );
}

#[test]
fn a_guest_that_is_the_host_is_detected() {
    let (scenario, record) = recorded()
        .into_iter()
        .find(|(scenario, _)| scenario.name == "guest_is_not_host")
        .expect("it is recorded");
    let text = record.runs[0].stdout.text().expect("it is text");
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    let mut parameters = record.clone();
    parameters.runs[0].stdout = Bytes::of(text.replace("\n1\n", "\n0\n"));
    let mut boot = record.clone();
    boot.host.boot_id.clone_from(&lines[2]);
    for broken in [parameters, boot] {
        assert!((scenario.check)(&broken).is_err());
    }
}

#[test]
fn a_knob_that_is_not_as_it_should_be_is_detected() {
    /// Only what each host has is looked at in a host that is still tuned.
    const STILL_TUNED: [&str; 2] = ["after the kill", "after the second"];
    let mut tried = 0;
    for (scenario, record) in recorded() {
        let moments = record.observed.iter();
        let moments = moments.filter(|(name, _)| !STILL_TUNED.contains(&name.as_str()));
        for (moment, state) in moments.filter(|(_, state)| state["values"].is_object()) {
            let files = state["values"].as_object().expect("it is one");
            let files = files.keys().map(|file| ("values", file.as_str()));
            let all = files.chain([("journal", ""), ("partition", ""), ("latency", "")]);
            for (name, file) in all {
                let mut broken = record.clone();
                let state = broken.observed.get_mut(moment).expect("it was seen");
                state[name] = match (name, &state[name]) {
                    ("values", values) => {
                        let mut values = values.clone();
                        values[file] = "other".into();
                        values
                    }
                    ("latency", limit) => (if limit == 2 { 3 } else { 2 }).into(),
                    (_, flag) => (flag != true).into(),
                };
                tried += 1;
                let checked = (scenario.check)(&broken);
                assert!(
                    checked.is_err(),
                    "{} on {:?}: {moment}: {name} {file}",
                    scenario.name,
                    record.backend
                );
            }
        }
    }
    assert!(tried > 200, "only {tried} were tried");
}

/// `value` with one thing in it changed, in every way.
fn others(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec!["something".into()],
        Value::Bool(flag) => vec![(!flag).into()],
        Value::Number(number) => vec![(number.as_i64().unwrap_or_default() + 1).into()],
        Value::String(text) => vec![format!("{text}x").into(), Value::Null],
        Value::Array(items) => {
            let mut changed = vec![[&items[..], &[Value::Null]].concat().into()];
            for (index, item) in items.iter().enumerate() {
                let with = |other| {
                    let mut items = items.clone();
                    items[index] = other;
                    Value::from(items)
                };
                changed.extend(others(item).into_iter().map(with));
            }
            changed
        }
        Value::Object(fields) => {
            let mut changed = Vec::new();
            for (name, field) in fields {
                let mut without = fields.clone();
                without.remove(name);
                changed.push(without.into());
                for other in others(field) {
                    let mut with = fields.clone();
                    with.insert(name.clone(), other);
                    changed.push(with.into());
                }
            }
            changed
        }
    }
}

#[test]
fn all_that_is_seen_without_a_run_counts() {
    let mut tried = 0;
    for (scenario, record) in recorded() {
        if !record.runs.is_empty() {
            continue;
        }
        for (name, seen) in &record.observed {
            for other in others(seen) {
                let mut broken = record.clone();
                broken.observed.insert(name.clone(), other.clone());
                tried += 1;
                let checked = (scenario.check)(&broken);
                assert!(checked.is_err(), "{}: {name}: {other}", scenario.name);
            }
        }
    }
    assert!(tried > 200, "only {tried} were tried");
}

#[test]
fn records_name_nothing_of_the_machine_that_made_them() {
    for (scenario, record) in recorded() {
        assert_eq!(record.clone().portable(), record, "{}", scenario.name);
    }
}
