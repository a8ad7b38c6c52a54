//! Units of times and sizes, and what is measured in a unit.

use crate::report::{LATENCY, THROUGHPUT};

/// What times are converted to.
pub(crate) const NANOSECONDS: &str = "ns";

/// What sizes are converted to.
pub(crate) const BYTES: &str = "B";

/// How many nanoseconds a unit of time has. Both letters that look like µ are one.
pub(crate) fn nanoseconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "fs" => 1e-6,
        "ps" => 1e-3,
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "min" | "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    })
}

/// How many bytes a unit of size has.
fn bytes(unit: &str) -> Option<f64> {
    Some(match unit {
        "B" => 1.0,
        "KB" | "kB" => 1e3,
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

/// A number as harnesses print it: `1,234.5` too. What stands for no number, such as `NaN`, is parsed
/// to it, so that whoever adds it refuses it by name.
pub(crate) fn number(text: &str) -> Option<f64> {
    let starts_right = text.starts_with(|first: char| {
        first.is_ascii_digit() || matches!(first, '-' | '+' | '.' | 'n' | 'N' | 'i' | 'I')
    });
    if !starts_right {
        return None;
    }
    text.replace(',', "").parse().ok()
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
        ] {
            assert_eq!(canonical(value, unit), expected);
        }
    }

    #[test]
    fn numbers_are_read_as_they_are_printed() {
        for (text, expected) in [
            ("1,234.5", Some(1234.5)),
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
}
