//! `--adapter`: metrics of benchmark harnesses, out of what real commands print and write.

mod compared;
mod refused;
mod stored;
mod tools;

use std::fmt::Display;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::schema::PUBLISHED;
use crate::support::{Image, Ran, Runner};

fn fixture(name: &str) -> Vec<u8> {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../crates/bencher_adapters/tests/fixtures"
    );
    fs::read(Path::new(folder).join(name)).unwrap()
}

fn run(image: &Image, arguments: &[&str], command: &[&str]) -> Ran {
    let all = [&["--sandbox", "none"], arguments, &["--"], command].concat();
    Runner::new().run(image, &all)
}

/// The result document of a run, which must have the published layout.
fn result(ran: &Ran) -> Value {
    let document = ran.json();
    let schema: Value = serde_json::from_slice(&fs::read(PUBLISHED).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator
        .iter_errors(&document)
        .map(|error| error.to_string())
        .collect();
    assert_eq!(errors, [""; 0]);
    document
}

fn metric<'a>(iteration: &'a Value, name: &str) -> &'a Value {
    let metrics = iteration["harness"]["metrics"].as_array().unwrap();
    let called = |metric: &&Value| {
        let parts = ["benchmark", "measure"].map(|part| metric[part].as_str().unwrap());
        parts.join("/") == name
    };
    metrics
        .iter()
        .find(called)
        .unwrap_or_else(|| panic!("no {name} in {metrics:#?}"))
}

fn runner(arguments: &[&str], files: &[&Path]) -> Ran {
    let mut command = Runner::new().command();
    Ran::of(command.args(arguments).args(files).output().unwrap())
}

/// A command that prints what Go prints, with a time of so many nanoseconds and some noise.
fn go(nanoseconds: impl Display) -> String {
    format!(
        "t={nanoseconds}; for s in 1 2 3; do n=$((t + (RANDOM + s * 13) % 40)); \
         printf 'BenchmarkSort-2 \\t 1000\\t %d ns/op\\t %d.0 MB/s\\n' $n $((4000000 / n)); done"
    )
}
