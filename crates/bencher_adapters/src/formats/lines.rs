//! Lines of a name, a value and a unit, for whatever has no harness.
//!
//! ```text
//! # What is behind a hash, and empty lines, do not count.
//! sort 1000 elements  12.5 ms
//! sort 1000 elements  12.7 ms
//! ```
//!
//! The last word is the unit, the one before it the value, and the rest the name. The same name again is
//! another sample. A value with a comma, which is a decimal one to some and one of thousands to others, is
//! refused, and so is a unit that means several things.

use crate::error::AdapterError;
use crate::report::{Report, short};
use crate::units::{ambiguity, canonical, number};

pub(crate) fn is(text: &str) -> bool {
    let mut lines = lines(text).peekable();
    lines.peek().is_some() && lines.all(|(_, line)| split(line).is_some())
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let mut report = Report::default();
    for (line, text) in lines(text) {
        let (name, value, unit) = split(text).ok_or_else(|| AdapterError::Line {
            line,
            text: short(text),
        })?;
        let ambiguous = |text: &str, meanings| AdapterError::Ambiguous {
            benchmark: short(name),
            text: short(text),
            meanings,
        };
        let value = match value {
            Value::Number(value) => value,
            Value::WithComma(text) => return Err(ambiguous(text, COMMA)),
        };
        if let Some(meanings) = ambiguity(unit) {
            return Err(ambiguous(unit, meanings));
        }
        let (measure, unit, value) = canonical(value, unit);
        report.add(name, measure, unit, value)?;
    }
    Ok(report)
}

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

/// What a comma in a number may be.
const COMMA: &str = "a number with decimals or with thousands; write decimals behind a point, and \
                     thousands without a separator";

enum Value<'a> {
    Number(f64),
    WithComma(&'a str),
}

fn split(line: &str) -> Option<(&str, Value<'_>, &str)> {
    let (rest, unit) = line.rsplit_once(char::is_whitespace)?;
    let (name, value) = rest.trim_end().rsplit_once(char::is_whitespace)?;
    let is_unit = number(unit).is_none() && !is_with_comma(unit);
    let value = if is_with_comma(value) {
        Value::WithComma(value)
    } else {
        Value::Number(number(value)?)
    };
    is_unit.then_some((name.trim_end(), value, unit))
}

fn is_with_comma(text: &str) -> bool {
    text.contains(',') && number(&text.replace(',', "")).is_some()
}
