//! Numbers as people read them, and the round ones at an axis.

/// What values are divided by to be shown, and what they are then.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    divisor: f64,
    /// The unit; empty where none is known.
    pub(super) unit: &'static str,
}

/// Times, smallest first: what a unit is in nanoseconds.
const TIMES: &[(f64, &str)] = &[(1.0, "ns"), (1e3, "µs"), (1e6, "ms"), (1e9, "s")];
const BYTES: &[(f64, &str)] = &[
    (1.0, "B"),
    (1024.0, "KiB"),
    (1_048_576.0, "MiB"),
    (1_073_741_824.0, "GiB"),
];
const COUNTS: &[(f64, &str)] = &[
    (1.0, ""),
    (1e3, "thousand"),
    (1e6, "million"),
    (1e9, "billion"),
];

impl Scale {
    /// For values of a measure, `most` being the one that lies farthest from zero. The units are
    /// those of the measures that Bencher Metric Format knows by name, and of the runner's own.
    pub(super) fn of(measure: &str, most: f64) -> Self {
        let (units, base) = match measure {
            "build-time" => (TIMES, 1e9),
            "latency" | "wall time" | "CPU time" => (TIMES, 1.0),
            "file-size" | "peak memory" => (BYTES, 1.0),
            _ => (COUNTS, 1.0),
        };
        let most = most.abs() * base;
        let (size, unit) = units
            .iter()
            .rev()
            .find(|(size, _)| most >= *size)
            .copied()
            // Smaller than the smallest, or nothing.
            .unwrap_or(units[0]);
        Self {
            divisor: size / base,
            unit,
        }
    }

    /// A value with its unit.
    pub(super) fn text(&self, value: f64) -> String {
        let number = self.number(value);
        if self.unit.is_empty() {
            return number;
        }
        format!("{number} {}", self.unit)
    }

    /// A value without its unit, in five significant digits.
    pub(super) fn number(&self, value: f64) -> String {
        significant(value / self.divisor)
    }
}

fn significant(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        return "0".to_owned();
    }
    if !(1e-4..1e7).contains(&size) {
        return format!("{value:.3e}");
    }
    let digits = [1e4, 1e3, 1e2, 1e1, 1e0, 1e-1, 1e-2, 1e-3]
        .iter()
        .position(|&bound| size >= bound)
        .unwrap_or(8);
    let text = format!("{value:.digits$}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Round numbers from `low` to `high`, about `count` of them: multiples of 1, 2 or 5 times a power
/// of ten.
pub(super) fn ticks(low: f64, high: f64, count: f64) -> Vec<f64> {
    let rough = (high - low) / count;
    if !rough.is_finite() || rough <= 0.0 {
        return Vec::new();
    }
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0]
        .iter()
        .map(|factor| factor * power)
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power);
    let first = (low / step).ceil();
    let last = (high / step).floor();
    // Where the values differ by less than their precision there is nothing to mark.
    if !(last - first).is_finite() || last - first > 4.0 * count {
        return Vec::new();
    }
    let mut ticks = Vec::new();
    let mut at = first;
    while at <= last {
        ticks.push(at * step);
        let next = at + 1.0;
        if next <= at {
            break;
        }
        at = next;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn units() {
        for (measure, value, text) in [
            ("build-time", 0.012_345, "12.345 ms"),
            ("build-time", 12.345_678, "12.346 s"),
            ("latency", 1_500.0, "1.5 µs"),
            ("latency", 0.25, "0.25 ns"),
            ("file-size", 4096.0, "4 KiB"),
            ("file-size", 0.0, "0 B"),
            ("wall time", 1.5e9, "1.5 s"),
            ("peak memory", 1_572_864.0, "1.5 MiB"),
            ("score", 123_456.0, "123.46 thousand"),
            ("score", -0.5, "-0.5"),
            ("score", 100.0, "100"),
            ("score", 1e300, "1.000e291 billion"),
        ] {
            assert_eq!(Scale::of(measure, value).text(value), text);
        }
    }

    #[test]
    fn axes() {
        assert_eq!(ticks(0.0, 10.0, 5.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(0.9, 4.1, 4.0), [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks(1.0, 1.0, 4.0), [0.0; 0]);
        assert_eq!(ticks(f64::MIN, f64::MAX, 4.0), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn ticks_lie_between_and_are_few(low: f64, length in 0.0..1e300) {
            let high = low + length;
            let ticks = ticks(low, high, 4.0);
            prop_assert!(ticks.len() <= 17);
            let slack = length * 1e-9 + low.abs() * 1e-12;
            for tick in ticks {
                prop_assert!(tick >= low - slack && tick <= high + slack, "{tick} of {low} to {high}");
            }
        }
    }
}
