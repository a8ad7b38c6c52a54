//! Criterion.rs: what it prints, and the files in `target/criterion/NAME/new`.
//!
//! ```text
//! fib 15                  time:   [2.7231 µs 2.9655 µs 3.2536 µs]
//!                         thrpt:  [72.272 Melem/s 78.532 Melem/s 88.019 Melem/s]
//! ```
//!
//! A long name has a line of its own. The numbers are an estimate between the ends of its interval.

use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report, THROUGHPUT, short};
use crate::units::{NANOSECONDS, nanoseconds, number};

const TIME: &str = "time:   [";
const THROUGHPUT_LABEL: &str = "thrpt:  [";

pub(crate) fn is(text: &str) -> bool {
    text.lines()
        .any(|line| line.contains(TIME) && line.ends_with(']'))
}

pub(crate) fn parse(text: &str, path: Option<&str>) -> Result<Report, AdapterError> {
    if text.trim_start().starts_with('{') {
        parse_file(text, path)
    } else {
        parse_printed(text)
    }
}

fn parse_printed(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    let mut name = String::new();
    let mut above = "";
    // After a comparison with an earlier run there is a second `time:` line, of changes in percent.
    for line in text.lines() {
        if let Some((before, numbers)) = line.split_once(TIME) {
            let Some([low, value, high]) = three(numbers) else {
                continue;
            };
            if value.1 == "%" {
                continue;
            }
            let own = if before.trim().is_empty() {
                above
            } else {
                before
            };
            own.trim().clone_into(&mut name);
            let unit = value.1;
            let [low, value, high] = [low, value, high]
                .map(|(number, unit)| nanoseconds(unit).map(|factor| number * factor));
            let (Some(low), Some(value), Some(high)) = (low, value, high) else {
                return Err(AdapterError::Unit {
                    adapter: Adapter::Criterion,
                    benchmark: short(&name),
                    measure: LATENCY.to_owned(),
                    unit: short(unit),
                });
            };
            let bounds = Some(Bounds { low, high });
            report.add_bounded(&name, LATENCY, NANOSECONDS, value, bounds)?;
        } else if let Some((_, numbers)) = line.split_once(THROUGHPUT_LABEL) {
            let Some(three) = three(numbers) else {
                continue;
            };
            if three[1].1 != "%" && !name.is_empty() {
                let [low, value, high] = three.map(|(number, unit)| per_second(number, unit));
                let bounds = Some(Bounds {
                    low: low.0,
                    high: high.0,
                });
                report.add_bounded(&name, THROUGHPUT, value.1, value.0, bounds)?;
            }
        }
        above = line;
    }
    Ok(report)
}

/// `2.7231 µs 2.9655 µs 3.2536 µs]`
fn three(numbers: &str) -> Option<[(f64, &str); 3]> {
    let mut words = numbers
        .trim_end()
        .strip_suffix(']')?
        .split_ascii_whitespace();
    let mut next = || {
        let word = words.next()?;
        // Changes are written as `+1.5%`, without a space.
        if let Some(percent) = word.strip_suffix('%') {
            return Some((number(percent)?, "%"));
        }
        Some((number(word)?, words.next()?))
    };
    Some([next()?, next()?, next()?])
}

/// Without the prefix of a throughput's unit, so that all are in the same one.
fn per_second(value: f64, unit: &str) -> (f64, &str) {
    const PREFIXES: [(&str, f64); 7] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("K", 1e3),
        ("M", 1e6),
        ("G", 1e9),
    ];
    for (prefix, factor) in PREFIXES {
        let base = unit.strip_prefix(prefix);
        if let Some(base @ ("elem/s" | "B/s" | "b/s" | "bit/s")) = base {
            return (value * factor, base);
        }
    }
    (value, unit)
}

#[derive(Debug, Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

#[derive(Debug, Deserialize)]
struct Estimates {
    mean: Estimate,
    slope: Option<Estimate>,
}

#[derive(Debug, Deserialize)]
struct Estimate {
    confidence_interval: Interval,
    point_estimate: f64,
}

#[derive(Debug, Deserialize)]
struct Interval {
    lower_bound: f64,
    upper_bound: f64,
}

/// `sample.json` has the time of so many iterations for each sample, `estimates.json` what follows from
/// them; times are in nanoseconds.
fn parse_file(text: &str, path: Option<&str>) -> Result<Report, AdapterError> {
    let document: Value = json(Adapter::Criterion, text)?;
    let mut report = Report::default();
    if document.get("iters").is_some() {
        let name = benchmark(path, "sample.json")?;
        let sample: Sample = json(Adapter::Criterion, text)?;
        for (time, iterations) in sample.times.iter().zip(&sample.iters) {
            report.add(&name, LATENCY, NANOSECONDS, time / iterations)?;
        }
    } else {
        let name = benchmark(path, "estimates.json")?;
        let estimates: Estimates = json(Adapter::Criterion, text)?;
        // What Criterion prints: the slope where there is one.
        let estimate = estimates.slope.unwrap_or(estimates.mean);
        let bounds = Some(Bounds {
            low: estimate.confidence_interval.lower_bound,
            high: estimate.confidence_interval.upper_bound,
        });
        report.add_bounded(&name, LATENCY, NANOSECONDS, estimate.point_estimate, bounds)?;
    }
    Ok(report)
}

/// The benchmark that a file is of: the folders between `criterion` and `new`.
fn benchmark(path: Option<&str>, file: &'static str) -> Result<String, AdapterError> {
    let unnamed = AdapterError::NoName {
        adapter: Adapter::Criterion,
        file,
    };
    let Some(path) = path else {
        return Err(unnamed);
    };
    let mut folders: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    folders.pop();
    if folders
        .last()
        .is_some_and(|last| matches!(*last, "new" | "base"))
    {
        folders.pop();
    }
    let begin = folders.iter().rposition(|&folder| folder == "criterion");
    let name = folders[begin.map_or(0, |place| place + 1)..].join("/");
    if name.is_empty() {
        Err(unnamed)
    } else {
        Ok(name)
    }
}
