//! Go's benchmark format, <https://go.dev/design/14313-benchmark-format>.
//!
//! ```text
//! BenchmarkSort/n=100-2   10000   6065 ns/op   131.90 MB/s   920 B/op   2 allocs/op
//! ```
//!
//! Names are kept whole: the number of processors behind the last hyphen is not there on a host with one,
//! so nobody can tell it from a part of the name. Repeated lines (`-count`) are samples.

use crate::error::AdapterError;
use crate::report::{LATENCY, Report, THROUGHPUT, short};
use crate::units::{NANOSECONDS, number};

pub(crate) fn is(text: &str) -> bool {
    text.lines().any(|line| result(line).is_some())
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    for (name, pairs) in text.lines().filter_map(result) {
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
    }
    Ok(report)
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
