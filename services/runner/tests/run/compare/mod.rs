//! `runner compare`: images, commands and results.

mod cut;
mod fresh;
mod hostile;
mod recorded;
mod refused;
mod report;
mod series;

use std::fs;
use std::path::{Path, PathBuf};

use bencher_report::{Comparison, History};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Ran, Runner};

/// Where the schema of `--format json` is published.
const PUBLISHED: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/comparison.schema.json"
);

/// Where that of `runner history --json` is.
const PUBLISHED_HISTORY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../docs/history.schema.json"
);

/// A result of a run of the first layout.
const RESULT: &str = include_str!("../../../../../crates/bencher_runner/tests/data/result-1.json");

#[test]
fn the_published_schemas_are_current() {
    let (comparison, history) = (
        schemars::schema_for!(Comparison),
        schemars::schema_for!(History),
    );
    for (path, schema) in [(PUBLISHED, comparison), (PUBLISHED_HISTORY, history)] {
        let current = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(path, &current).unwrap();
        }
        let published = fs::read_to_string(path).unwrap();
        assert!(
            published == current,
            "{path} is out of date: run UPDATE_SCHEMA=1 cargo test -p bencher_runner_cli schema"
        );
    }
}

/// Results in files, with wall times in microseconds.
struct Results(TempDir);

impl Results {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn with(&self, name: &str, wall: &[u64], change: impl FnOnce(&mut Value)) -> PathBuf {
        let mut document: Value = serde_json::from_str(RESULT).unwrap();
        let iteration = document["iterations"][0].clone();
        let iterations = (1..).zip(wall).map(|(index, wall)| {
            let mut one = iteration.clone();
            one["index"] = json!(index);
            one["resources"]["wall_ns"] = json!(wall * 1000);
            one
        });
        document["iterations"] = iterations.collect();
        change(&mut document);
        let path = self.0.path().join(name);
        fs::write(&path, document.to_string()).unwrap();
        path
    }

    fn of(&self, name: &str, wall: &[u64]) -> PathBuf {
        self.with(name, wall, |_| {})
    }
}

const FAST: [u64; 6] = [1000, 1004, 998, 1001, 997, 1003];
const SLOW: [u64; 6] = [1101, 1100, 1104, 1098, 1097, 1103];

fn compare(baseline: &Path, candidate: &Path, arguments: &[&str]) -> Ran {
    let mut command = Runner::new().command();
    command.arg("compare").arg(baseline).arg(candidate);
    Ran::of(command.args(arguments).output().unwrap())
}

fn invalid(document: &Value) -> Vec<String> {
    invalid_by(PUBLISHED, document)
}

/// What is wrong with a document by a schema.
fn invalid_by(schema: &str, document: &Value) -> Vec<String> {
    let schema: Value = serde_json::from_slice(&fs::read(schema).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator
        .iter_errors(document)
        .map(|error| error.to_string())
        .collect()
}
