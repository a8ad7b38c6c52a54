//! Go's benchmark format, <https://go.dev/design/14313-benchmark-format>.
//!
//! ```text
//! BenchmarkSort/n=100-2   10000   6065 ns/op   131.90 MB/s   920 B/op   2 allocs/op
//! ```
//!
//! Names begin with the package, which `go test` prints before its benchmarks: `example.com/sorting.BenchmarkSort`.
//! Benchmarks of several packages may have one name. Names are kept whole: the number of processors behind the last hyphen is not there on a host with one,
//! so nobody can tell it from a part of the name. Repeated lines (`-count`) are samples.

use crate::error::AdapterError;
use crate::report::{LATENCY, Report, THROUGHPUT, short};
use crate::units::{NANOSECONDS, number};

pub(crate) fn is(text: &str) -> bool {
    text.lines().any(|line| result(line).is_some())
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    let mut package = None;
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("pkg:") {
            package = Some(path.trim());
        } else if line.starts_with("ok  \t") || line.starts_with("FAIL\t") {
            package = None;
        } else if let Some(name) = line.strip_prefix("--- FAIL: Benchmark") {
            return Err(AdapterError::Failed {
                benchmark: short(&qualified(package, &format!("Benchmark{name}"))),
                reason: "FAIL".to_owned(),
            });
        } else if let Some((name, pairs)) = result(line) {
            add(&mut report, &qualified(package, name), pairs)?;
        }
    }
    Ok(report)
}

fn qualified(package: Option<&str>, name: &str) -> String {
    package.map_or_else(|| name.to_owned(), |package| format!("{package}.{name}"))
}

fn add(report: &mut Report, name: &str, pairs: &str) -> Result<(), AdapterError> {
    let mut words = pairs.split_ascii_whitespace();
    while let (Some(value), Some(unit)) = (words.next(), words.next()) {
        let (measure, unit) = measure(unit);
        let value = number(value).ok_or_else(|| AdapterError::Number {
            benchmark: short(name),
            measure: short(measure),
            text: short(value),
        })?;
        report.add(name, measure, unit, value)?;
    }
    Ok(())
}

fn measure(unit: &str) -> (&str, &str) {
    match unit {
        "ns/op" => (LATENCY, NANOSECONDS),
        "MB/s" => (THROUGHPUT, unit),
        "B/op" => ("allocated", "B"),
        "allocs/op" => ("allocations", ""),
        own => (own, own),
    }
}

/// The name of a result and its pairs of values and units; between them is the number of iterations.
fn result(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.trim_end().split_once([' ', '\t'])?;
    let own = name.strip_prefix("Benchmark")?;
    // Such as `Benchmarking` of other harnesses.
    if own.starts_with(|first: char| first.is_lowercase()) {
        return None;
    }
    let (iterations, pairs) = rest.trim_start().split_once([' ', '\t'])?;
    iterations.parse::<u64>().ok()?;
    (pairs.split_ascii_whitespace().count() >= 2).then_some((name, pairs))
}
