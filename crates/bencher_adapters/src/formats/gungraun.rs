//! Gungraun, which was called iai-callgrind before: counts of Callgrind and other Valgrind tools.
//!
//! ```text
//! gg::group::fib small:(5)
//!   Instructions:                          70|N/A                  (*********)
//!   L1 Hits:                              101|N/A                  (*********)
//! ```
//!
//! The first number is this run's, the second one an earlier run's. Each count is a measure.

use crate::error::AdapterError;
use crate::report::{Report, short};
use crate::units::number;

pub(crate) fn is(text: &str) -> bool {
    text.lines().any(|line| {
        count(line)
            .is_some_and(|(measure, _)| matches!(measure, "Instructions" | "Total read+write"))
    })
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    let mut benchmark = "";
    for line in text.lines() {
        if is_name(line) {
            benchmark = line.trim_end();
        } else if let Some((measure, value)) = count(line) {
            let value = number(value).ok_or_else(|| AdapterError::Number {
                benchmark: short(benchmark),
                measure: short(measure),
                text: short(value),
            })?;
            report.add(benchmark, &slug(measure), "", value)?;
        }
    }
    Ok(report)
}

/// A line that is not indented and leads to a function: `file::group::function id:(arguments)`.
fn is_name(line: &str) -> bool {
    let path = line.split(' ').next().unwrap_or_default();
    path.contains("::") && !path.starts_with(':') && !path.ends_with(':')
}

/// `  Instructions:     70|N/A    (*********)`
fn count(line: &str) -> Option<(&str, &str)> {
    let (measure, rest) = line.strip_prefix("  ")?.split_once(':')?;
    let (value, earlier) = rest.split_once('|')?;
    let value = value.trim();
    let starts_right = value.starts_with(|first: char| first.is_ascii_digit());
    let is_count = starts_right && earlier.contains('(') && !measure.starts_with(['-', '=']);
    is_count.then(|| (measure.trim(), value))
}

/// `L1 Hits` as `l1-hits`, `Total read+write` as `total-read-write`.
fn slug(measure: &str) -> String {
    measure
        .to_lowercase()
        .split(|character: char| !character.is_alphanumeric())
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join("-")
}
