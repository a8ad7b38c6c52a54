//! Units of times and sizes, and what is measured in a unit.

use crate::report::{LATENCY, THROUGHPUT};

/// What times are converted to.
pub(crate) const NANOSECONDS: &str = "ns";

/// What sizes are converted to.
pub(crate) const BYTES: &str = "B";

/// How many nanoseconds a unit of time has. Both letters that look like µ are one. What only some formats
/// mean by a letter, such as `m` for minutes, is theirs to say.
pub(crate) fn nanoseconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "fs" => 1e-6,
        "ps" => 1e-3,
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => SECOND,
        "min" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// A second in nanoseconds.
pub(crate) const SECOND: f64 = 1e9;

/// A minute in nanoseconds.
pub(crate) const MINUTE: f64 = 60.0 * SECOND;

/// An hour in nanoseconds.
pub(crate) const HOUR: f64 = 60.0 * MINUTE;

/// A day in nanoseconds.
pub(crate) const DAY: f64 = 24.0 * HOUR;

/// How many bytes a unit of size has.
fn bytes(unit: &str) -> Option<f64> {
    Some(match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "KiB" => 1024.0,
        "MiB" => 1_048_576.0,
        "GiB" => 1_073_741_824.0,
        _ => return None,
    })
}

/// A value in the unit that its kind is kept in, with the measure that it is of.
pub(crate) fn canonical(value: f64, unit: &str) -> (&'static str, &str, f64) {
    if let Some(factor) = nanoseconds(unit) {
        (LATENCY, NANOSECONDS, value * factor)
    } else if let Some(factor) = bytes(unit) {
        ("size", BYTES, value * factor)
    } else if unit.ends_with("/s") {
        (THROUGHPUT, unit, value)
    } else {
        ("value", unit, value)
    }
}

/// What a unit may mean, where people mean several things by it.
pub(crate) fn ambiguity(unit: &str) -> Option<&'static str> {
    match unit {
        "m" => Some("minutes, metres or thousandths; write min, or another word"),
        "KB" => Some("1000 or 1024 bytes; write kB or KiB"),
        _ => None,
    }
}

/// A number as harnesses print it. What stands for no number, such as `NaN`, is parsed to it, so that
/// whoever adds it refuses it by name. A comma is none of a number: it separates thousands here and
/// decimals there.
pub(crate) fn number(text: &str) -> Option<f64> {
    let starts_right = text.starts_with(|first: char| {
        first.is_ascii_digit() || matches!(first, '-' | '+' | '.' | 'n' | 'N' | 'i' | 'I')
    });
    if !starts_right {
        return None;
    }
    text.parse().ok()
}

/// A number of a format that separates thousands by commas: `1,234.5`. A comma elsewhere is a mistake.
pub(crate) fn number_with_thousands(text: &str) -> Option<f64> {
    let (whole, rest) = text
        .find('.')
        .map_or((text, ""), |point| text.split_at(point));
    let mut groups = whole.trim_start_matches(['-', '+']).split(',');
    let first = groups.next().unwrap_or_default();
    let groups: Vec<&str> = groups.collect();
    let is_right = groups.is_empty()
        || ((1..=3).contains(&first.len()) && groups.iter().all(|group| group.len() == 3));
    if !is_right || rest.contains(',') {
        return None;
    }
    number(&format!("{}{rest}", whole.replace(',', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_converted() {
        for (value, unit, expected) in [
            (2.0, "ms", (LATENCY, "ns", 2e6)),
            (2.0, "µs", (LATENCY, "ns", 2e3)),
            (2.0, "μs", (LATENCY, "ns", 2e3)),
            (0.5, "s", (LATENCY, "ns", 5e8)),
            (3.0, "KiB", ("size", "B", 3072.0)),
            (3.0, "MB/s", (THROUGHPUT, "MB/s", 3.0)),
            (3.0, "points", ("value", "points", 3.0)),
            (2.0, "min", (LATENCY, "ns", 120e9)),
            (3.0, "m", ("value", "m", 3.0)),
        ] {
            assert_eq!(canonical(value, unit), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        for (text, expected) in [
            ("1234.5", Some(1234.5)),
            ("1,5", None),
            ("1,234.5", None),
            ("-1e-3", Some(-0.001)),
            ("inf", Some(f64::INFINITY)),
            ("", None),
            ("1.2.3", None),
            ("ten", None),
            ("0x10", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
        assert!(number("NaN").is_some_and(f64::is_nan));
    }

    #[test]
    fn commas_separate_thousands_where_the_format_says_so_and_nothing_else() {
        for (text, expected) in [
            ("1,234.5", Some(1234.5)),
            ("12,345,678", Some(12_345_678.0)),
            ("-1,234", Some(-1234.0)),
            ("999.25", Some(999.25)),
            ("1,5", None),
            ("1234,567", None),
            (",123", None),
            ("1,234,5", None),
            ("1.5,000", None),
        ] {
            assert_eq!(number_with_thousands(text), expected, "{text}");
        }
    }
}
