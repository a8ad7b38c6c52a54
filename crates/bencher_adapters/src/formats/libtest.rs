//! The benchmarks of the compiler's own library `test`.
//!
//! ```text
//! test sort::std_1000 ... bench:      16,333.64 ns/iter (+/- 14,056.38) = 489 MB/s
//! ```
//!
//! The number is the median; behind `+/-` is the distance of the extremes, where the furthest twentieth
//! on either side is drawn in.

use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report, THROUGHPUT, short};
use crate::units::{NANOSECONDS, number_with_thousands};

pub(crate) fn is(text: &str) -> bool {
    text.lines().any(|line| result(line).is_some())
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    for (name, numbers) in text.lines().filter_map(result) {
        let Some((value, rest)) = numbers.split_once(" ns/iter (+/- ") else {
            continue;
        };
        let Some((spread, rest)) = rest.split_once(')') else {
            continue;
        };
        let number = |text: &str| {
            number_with_thousands(text.trim()).ok_or_else(|| AdapterError::Number {
                benchmark: short(name),
                measure: LATENCY.to_owned(),
                text: short(text.trim()),
            })
        };
        let (value, spread) = (number(value)?, number(spread)?);
        let bounds = Some(Bounds {
            low: (value - spread / 2.0).max(0.0),
            high: value + spread / 2.0,
        });
        report.add_bounded(name, LATENCY, NANOSECONDS, value, bounds)?;
        let throughput = rest
            .trim()
            .strip_prefix("= ")
            .and_then(|rest| rest.strip_suffix(" MB/s"));
        if let Some(throughput) = throughput.and_then(number_with_thousands) {
            report.add(name, THROUGHPUT, "MB/s", throughput)?;
        }
    }
    Ok(report)
}

/// The name and the numbers of a line that is a result. With `--quiet`, the letters of tests that are no
/// benchmarks stand in front of it.
fn result(line: &str) -> Option<(&str, &str)> {
    let (before, rest) = line.split_once("test ")?;
    if !before
        .chars()
        .all(|letter| matches!(letter, 'i' | '.' | 'F' | ' '))
    {
        return None;
    }
    let (name, numbers) = rest.split_once(" ... bench:")?;
    numbers
        .contains(" ns/iter (+/- ")
        .then(|| (name.trim(), numbers))
}
