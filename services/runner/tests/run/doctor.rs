//! `runner doctor`: what is wrong with a host, and how noisy it is.

use std::fs;

use bencher_runner::doctor::Diagnosis;
use serde_json::Value;

use crate::support::{Ordinary, Ran, Runner};

/// Where the schema of `--json` is published.
const PUBLISHED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.schema.json");

fn doctor(arguments: &[&str]) -> Ran {
    let mut command = Runner::new().command();
    Ran::of(command.arg("doctor").args(arguments).output().unwrap())
}

fn document(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap()
}

fn status<'a>(document: &'a Value, check: &str) -> &'a str {
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|found| found["check"] == check);
    found.unwrap()["status"].as_str().unwrap()
}

#[test]
fn the_published_schema_is_current() {
    let schema = schemars::schema_for!(Diagnosis);
    let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        fs::write(PUBLISHED, &current).unwrap();
    }
    let published = fs::read_to_string(PUBLISHED).unwrap();
    assert!(
        published == current,
        "docs/doctor.schema.json is out of date: run UPDATE_SCHEMA=1 cargo test -p \
         bencher_runner_cli schema"
    );
}

#[test]
fn a_host_is_described_for_people_and_for_programs() {
    let ran = doctor(&["--json", "--noise", "1s"]);
    let found = document(&ran);
    let schema: Value = serde_json::from_slice(&fs::read(PUBLISHED).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    assert!(validator.is_valid(&found), "{found:#}");
    let has_failed = found["checks"]
        .as_array()
        .unwrap()
        .iter()
        .any(|check| check["status"] == "fail");
    assert_eq!(ran.code, i32::from(has_failed));
    let has_kvm = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/kvm")
        .is_ok();
    assert_eq!(status(&found, "kvm") == "fail", !has_kvm);
    assert!(found["noise"]["cpus"][0]["median_ms"].as_f64().unwrap() > 0.0);

    let table = doctor(&[]);
    assert_eq!(table.code, ran.code);
    let text = table.text();
    for check in found["checks"].as_array().unwrap() {
        let name = check["check"].as_str().unwrap();
        assert!(
            text.lines()
                .any(|line| line.split_whitespace().nth(1) == Some(name)),
            "{name} is not in\n{text}"
        );
    }
    let longest = text.lines().map(|line| line.chars().count()).max();
    assert!(longest <= Some(100), "{text}");
    assert!(!text.contains("noise of CPU"), "nobody asked for it");
}

#[test]
fn an_ordinary_user_is_told_what_root_would_get() {
    let Some(user) = Ordinary::new() else {
        return;
    };
    let ran = Ran::of(user.command().args(["doctor", "--json"]).output().unwrap());
    let found = document(&ran);
    assert_eq!(status(&found, "rights"), "warn");
    assert_eq!(status(&document(&doctor(&["--json"])), "rights"), "pass");
}

#[test]
fn what_can_not_be_measured_is_refused() {
    for (arguments, reason) in [
        (
            &["--noise", "1ms"][..],
            "one second at least and one hour at most",
        ),
        (&["--noise", "soon"], "is not a duration"),
        (&["--cpus", "0"], "--noise"),
        (&["--noise", "1s", "--cpus", "9999"], "not online: CPU 9999"),
    ] {
        let ran = doctor(arguments);
        assert_eq!(ran.code, 125, "{}", ran.stderr);
        assert!(ran.stderr.contains(reason), "{}", ran.stderr);
        assert!(ran.stdout.is_empty());
    }
}
