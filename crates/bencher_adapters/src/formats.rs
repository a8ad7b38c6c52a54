//! One room a format.

pub(crate) mod bencher;
pub(crate) mod catch2;
pub(crate) mod criterion;
pub(crate) mod divan;
pub(crate) mod go;
pub(crate) mod google_benchmark;
pub(crate) mod gungraun;
pub(crate) mod hyperfine;
pub(crate) mod jmh;
pub(crate) mod libtest;
pub(crate) mod lines;
pub(crate) mod pytest_benchmark;
mod seconds;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::adapter::Adapter;
use crate::error::AdapterError;

/// Whether a text has the marks of a format.
type Test = fn(&str) -> bool;

/// The format of an output, if it is a known one.
pub(crate) fn detect(text: &str) -> Option<Adapter> {
    let begin = text.trim_start();
    if begin.starts_with(['{', '[']) {
        return detect_json(&serde_json::from_str(text).ok()?);
    }
    if begin.starts_with('<') {
        return catch2::is(text).then_some(Adapter::Catch2);
    }
    let formats: [(Adapter, Test); 6] = [
        (Adapter::Libtest, libtest::is),
        (Adapter::Criterion, criterion::is),
        (Adapter::Divan, divan::is),
        (Adapter::Go, go::is),
        (Adapter::Gungraun, gungraun::is),
        (Adapter::Lines, lines::is),
    ];
    let found = formats.into_iter().find(|(_, is)| is(text));
    found.map(|(adapter, _)| adapter)
}

fn detect_json(document: &Value) -> Option<Adapter> {
    let has = |key: &str| document.get(key).is_some();
    if document.is_array() {
        let first = document.get(0)?;
        let is_jmh = first.get("primaryMetric").is_some() && first.get("benchmark").is_some();
        return is_jmh.then_some(Adapter::Jmh);
    }
    if has("benchmarks") && has("machine_info") {
        Some(Adapter::PytestBenchmark)
    } else if has("benchmarks") && has("context") {
        Some(Adapter::GoogleBenchmark)
    } else if document.get("results").is_some_and(Value::is_array) {
        Some(Adapter::Hyperfine)
    } else if has("sampling_mode") || (has("mean") && has("median_abs_dev")) {
        Some(Adapter::Criterion)
    } else {
        bencher::is(document).then_some(Adapter::Bencher)
    }
}

/// A JSON document of a format.
fn json<T: DeserializeOwned>(adapter: Adapter, text: &str) -> Result<T, AdapterError> {
    serde_json::from_str(text).map_err(|error| AdapterError::Json {
        adapter,
        reason: harmless(&error.to_string()),
    })
}

/// A parser's message on one line that does not control the terminal: it can quote the output.
fn harmless(message: &str) -> String {
    crate::report::short(message)
        .chars()
        .map(|character| {
            if character.is_control() {
                ' '
            } else {
                character
            }
        })
        .collect()
}
