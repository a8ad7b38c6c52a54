//! What a benchmark harness printed, for every format: an output of one is the others' untrusted bytes.

use bencher_adapters::{Adapter, parse_any};

use crate::{Outcome, is_one_harmless_line};

/// Where a file of Criterion's would be from.
const PATH: &str = "target/criterion/benchmark/new/sample.json";

/// Checks one input.
///
/// # Panics
/// If the promise is broken.
pub fn check(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::Refused;
    for adapter in Adapter::ALL {
        match adapter.parse(input, Some(PATH)) {
            Ok(report) => {
                assert!(!report.benchmarks().is_empty(), "{adapter} found nothing");
                for metric in report
                    .benchmarks()
                    .values()
                    .flat_map(|measures| measures.values())
                {
                    assert!(!metric.values.is_empty(), "{adapter} found no value");
                    let bounds = metric
                        .bounds
                        .iter()
                        .flat_map(|bounds| [bounds.low, bounds.high]);
                    let mut numbers = metric.values.iter().copied().chain(bounds);
                    assert!(numbers.all(f64::is_finite), "{adapter} found no number");
                }
                outcome = Outcome::Accepted;
            }
            Err(error) => is_one_harmless_line(&error.to_string()),
        }
    }
    if let Err(error) = parse_any(input, Some(PATH)) {
        is_one_harmless_line(&error.to_string());
    }
    outcome
}
