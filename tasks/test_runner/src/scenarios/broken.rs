//! Shows that every scenario can fail: its check is tried on the record of a good run, which must
//! pass, and on the same record as a broken runner would have left it, which must not.
//!
//! The records are in `scenarios/records`, by backend and name. After a change of what a scenario
//! does they are made anew with `cargo test-runner scenarios --record DIR`.

mod breaks;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::backend::Backend;
use super::bytes::Bytes;
use super::families;
use super::record::Record;
use super::scenario::Scenario;
use breaks::{BREAKS, Broken};

/// The backends of which there are records: one with a kernel of its own, one without.
const RECORDED: [Backend; 2] = [Backend::QemuTcg, Backend::Host];

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
        for scenario in families::all().filter(|scenario| scenario.on.includes(backend)) {
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
            .filter(|scenario| scenario.on.includes(backend))
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
fn records_name_nothing_of_the_machine_that_made_them() {
    for (scenario, record) in recorded() {
        assert_eq!(record.clone().portable(), record, "{}", scenario.name);
    }
}
