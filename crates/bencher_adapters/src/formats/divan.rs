//! Divan's tree.
//!
//! ```text
//! dv             fastest       │ slowest       │ median        │ mean          │ samples │ iters
//! ├─ fib                       │               │               │               │         │
//! │  ├─ 5        15.14 ns      │ 15.19 ns      │ 15.15 ns      │ 15.16 ns      │ 20      │ 5120
//! │  ╰─ 15       1.832 µs      │ 2.053 µs      │ 1.833 µs      │ 1.848 µs      │ 20      │ 20
//! ```
//!
//! A result is the median between the fastest and the slowest, under the name of the program and the path
//! in its tree, `dv::fib::5`: programs may have benchmarks of one name. Lines below it, of throughputs and
//! allocations, have no name and are not read.

use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report, short};
use crate::units::{DAY, MINUTE, NANOSECONDS, nanoseconds, number};

/// Columns of one level of the tree.
const INDENT: usize = 3;

pub(crate) fn is(text: &str) -> bool {
    let mut lines = text.lines();
    lines.any(|line| line.contains(" fastest ") && line.contains("│ slowest "))
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    let mut names: Vec<&str> = Vec::new();
    for line in text.lines() {
        if line.contains(" fastest ") && line.contains("│ slowest ") {
            let program = line.split("  ").next().unwrap_or_default();
            names = vec![program.trim()];
            continue;
        }
        let Some((level, rest)) = branch(line) else {
            continue;
        };
        // The first column holds the name and the fastest time, apart by two spaces at least.
        let mut columns = rest.split('│').map(str::trim);
        let first = columns.next().unwrap_or_default();
        let (name, fastest) = first.rsplit_once("  ").unwrap_or((first, ""));
        if names.is_empty() {
            continue;
        }
        names.truncate(level + 1);
        names.push(name.trim());
        let mut times = [
            fastest,
            columns.next().unwrap_or(""),
            columns.next().unwrap_or(""),
        ];
        if times.iter().any(|time| time.trim().is_empty()) {
            continue;
        }
        times = times.map(str::trim);
        let name = names.join("::");
        let mut found = [0.0; 3];
        for (found, time) in found.iter_mut().zip(times) {
            *found = nanoseconds_of(&name, time)?;
        }
        let bounds = Some(Bounds {
            low: found[0],
            high: found[1],
        });
        report.add_bounded(&name, LATENCY, NANOSECONDS, found[2], bounds)?;
    }
    Ok(report)
}

/// The level of a line of the tree, from 0, and what follows its branch. The name of a benchmark can have
/// spaces and the characters of the tree as well, so it is cut at the first branch.
fn branch(line: &str) -> Option<(usize, &str)> {
    let at = ["├─ ", "╰─ "]
        .iter()
        .filter_map(|branch| line.find(branch))
        .min()?;
    let indent = &line[..at];
    if !indent
        .chars()
        .all(|character| matches!(character, '│' | ' '))
    {
        return None;
    }
    let rest = line[at..].get("├─ ".len()..)?;
    Some((indent.chars().count() / INDENT, rest))
}

fn nanoseconds_of(benchmark: &str, time: &str) -> Result<f64, AdapterError> {
    let at = time.find(|character: char| character.is_alphabetic());
    let (value, unit) = time.split_at(at.unwrap_or(time.len()));
    let value = number(value.trim_end()).ok_or_else(|| AdapterError::Number {
        benchmark: short(benchmark),
        measure: LATENCY.to_owned(),
        text: short(time),
    })?;
    let factor = match unit {
        "m" => Some(MINUTE),
        "d" => Some(DAY),
        unit => nanoseconds(unit),
    };
    let factor = factor.ok_or_else(|| AdapterError::Unit {
        adapter: Adapter::Divan,
        benchmark: short(benchmark),
        measure: LATENCY.to_owned(),
        unit: short(unit),
    })?;
    Ok(value * factor)
}
