//! Numbers for people: values with units, changes in percent.

use bencher_runner::result::Unit;

use crate::unit::MetricUnit;

/// A multiple of a unit that values are shown in, so that those that are compared are in the same one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Scale<'a> {
    divisor: f64,
    /// The unit of times and sizes, or a prefix.
    name: &'static str,
    /// A harness's unit, behind the prefix.
    unit: &'a str,
}

/// `value` for people, in the same multiple of its unit as `largest`. The unit is called as in documents:
/// `nanoseconds`, `bytes`, or any other.
pub fn quantity(unit: &str, value: f64, largest: f64) -> String {
    let unit = MetricUnit::named(unit);
    Scale::of(&unit, largest).show(value)
}

const TIMES: [(f64, &str); 4] = [(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")];
const SIZES: [(f64, &str); 4] = [
    (1_073_741_824.0, "GiB"),
    (1_048_576.0, "MiB"),
    (1024.0, "KiB"),
    (1.0, "B"),
];
const COUNTS: [(f64, &str); 4] = [(1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")];

impl<'a> Scale<'a> {
    /// The one in which `largest`, a value in `unit`, has one to three or four digits before its point.
    pub(crate) fn of(unit: &'a MetricUnit, largest: f64) -> Self {
        let (steps, unit) = match unit {
            MetricUnit::Known(Unit::Nanoseconds) => (TIMES, ""),
            MetricUnit::Known(Unit::Bytes) => (SIZES, ""),
            MetricUnit::Known(_) => (COUNTS, ""),
            MetricUnit::Other(unit) => (COUNTS, unit.as_str()),
        };
        let fits = |&&(divisor, _): &&(f64, &str)| largest.abs() >= divisor;
        let &(divisor, name) = steps.iter().find(fits).unwrap_or(&steps[3]);
        Self {
            divisor,
            name,
            unit,
        }
    }

    /// `value` with its unit.
    pub(crate) fn show(&self, value: f64) -> String {
        let number = self.number(value);
        self.with_unit(&number)
    }

    /// `2 ms`, `2 k`, `2 MB/s`, `2 M operations/s`: a prefix is a part of a short unit.
    fn with_unit(&self, number: &str) -> String {
        let between = if self.unit.chars().count() > 4 {
            " "
        } else {
            ""
        };
        let unit = format!("{}{between}{}", self.name, self.unit);
        format!("{number} {}", unit.trim()).trim_end().to_owned()
    }

    /// A label of an axis whose labels are `step` apart, with its unit.
    pub(crate) fn label(&self, value: f64, step: f64) -> String {
        self.with_unit(&label(value / self.divisor, step / self.divisor))
    }

    /// How many of the metric's unit it is.
    pub(crate) fn divisor(&self) -> f64 {
        self.divisor
    }

    /// `value` without its unit, with four significant digits.
    fn number(&self, value: f64) -> String {
        let scaled = value / self.divisor;
        if self.divisor <= 1.0 && scaled.fract() == 0.0 {
            return format!("{scaled:.0}");
        }
        let decimals = match scaled.abs() {
            large if large >= 1000.0 => 0,
            large if large >= 100.0 => 1,
            large if large >= 10.0 => 2,
            // There is no smaller unit to show it in.
            small if self.divisor <= 1.0 && small < 1.0 => below_one(small),
            _ => 3,
        };
        format!("{scaled:.decimals$}")
    }
}

/// The decimals that show four digits of a number between 0 and 1.
fn below_one(number: f64) -> usize {
    const MOST: i32 = 12;
    let zeros = (1..MOST).take_while(|&zeros| number * 10_f64.powi(zeros) < 1.0);
    4 + zeros.count()
}

/// A change of `ratio` times in percent, such as `+5.1`, with as many decimals as `decimals` says.
pub(crate) fn change(ratio: f64, decimals: usize) -> String {
    let percent = 100.0 * (ratio - 1.0);
    let text = format!("{percent:+.decimals$}");
    let is_nothing = !text.contains(|character: char| ('1'..='9').contains(&character));
    // There is no negative nothing.
    if is_nothing { "0".to_owned() } else { text }
}

/// The decimals of a percentage whose interval reaches `reach` to either side, as a share: what is
/// beyond them is noise.
pub(crate) fn decimals(reach: f64) -> usize {
    match 100.0 * reach.abs() {
        wide if wide >= 10.0 => 0,
        wide if wide >= 0.3 => 1,
        0.0 => 4,
        // One more for each tenth, as many as a number has.
        wide => (1..MOST_DECIMALS)
            .find(|&decimals| wide * power_of_ten(decimals) >= 3.0)
            .unwrap_or(MOST_DECIMALS),
    }
}

/// A label of an axis whose labels are `step` apart: as many decimals as tell them apart, without needless
/// zeros.
pub(crate) fn label(value: f64, step: f64) -> String {
    let decimals = (0..MOST_DECIMALS)
        .find(|&decimals| {
            let scaled = step.abs() * power_of_ten(decimals);
            scaled >= 1.0 && (scaled - scaled.round()).abs() < 1e-3
        })
        .unwrap_or(MOST_DECIMALS);
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        &text
    };
    // There is no negative nothing.
    if text == "-0" {
        "0".to_owned()
    } else {
        text.to_owned()
    }
}

/// A number has no more.
const MOST_DECIMALS: usize = 15;

fn power_of_ten(decimals: usize) -> f64 {
    10_f64.powi(i32::try_from(decimals).unwrap_or(i32::MAX))
}

/// A share that somebody chose, as a percentage with the digits that it has.
pub(crate) fn chosen(share: f64) -> String {
    // A share such as 0.003 times 100 has a little too much at its end.
    let rounded: f64 = format!("{:.9e}", 100.0 * share)
        .parse()
        .unwrap_or(100.0 * share);
    format!("{rounded} %")
}

/// A share as a percentage with two significant digits.
pub(crate) fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    if percent == 0.0 {
        return "0 %".to_owned();
    }
    let decimals = match percent.abs() {
        large if large >= 10.0 => 0,
        small => (1..MOST_DECIMALS)
            .find(|&decimals| small * power_of_ten(decimals) >= 10.0)
            .unwrap_or(MOST_DECIMALS),
    };
    format!("{percent:.decimals$} %")
}

/// A p-value.
pub(crate) fn probability(p_value: f64) -> String {
    if p_value < 0.0001 {
        "< 0.0001".to_owned()
    } else if p_value < 0.01 {
        format!("{p_value:.4}")
    } else {
        format!("{p_value:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_four_digits_and_a_unit() {
        for (unit, value, expected) in [
            (Unit::Nanoseconds, 12.0, "12 ns"),
            (Unit::Nanoseconds, 1_234.0, "1.234 µs"),
            (Unit::Nanoseconds, 12_345_678.0, "12.35 ms"),
            (Unit::Nanoseconds, 123_456_789_000.0, "123.5 s"),
            (Unit::Bytes, 1_048_576.0, "1.000 MiB"),
            (Unit::Bytes, 512.0, "512 B"),
            (Unit::Instructions, 4_200_000_000.0, "4.200 G"),
            (Unit::Faults, 7.0, "7"),
            (Unit::Faults, 0.0, "0"),
            (Unit::Faults, 7.25, "7.250"),
        ] {
            assert_eq!(Scale::of(&unit.into(), value).show(value), expected);
        }
        let unit = Unit::Nanoseconds.into();
        let seconds = Scale::of(&unit, 2e9);
        assert_eq!(
            seconds.show(9e8),
            "0.900 s",
            "like the larger one beside it"
        );
    }

    #[test]
    fn units_of_harnesses_have_prefixes_and_small_values_digits() {
        for (unit, value, expected) in [
            ("B/s", 12_345_678.0, "12.35 MB/s"),
            ("operations/s", 12_345_678.0, "12.35 M operations/s"),
            ("operations/s", 7.0, "7 operations/s"),
            ("%", 0.25, "0.2500 %"),
            ("", 5_000.0, "5.000 k"),
            ("", 0.001_234, "0.001234"),
            ("s", 0.0, "0 s"),
        ] {
            let unit = MetricUnit::Other(unit.to_owned());
            assert_eq!(Scale::of(&unit, value).show(value), expected);
        }
        let unit = Unit::Nanoseconds.into();
        assert_eq!(Scale::of(&unit, 0.2712).show(0.2712), "0.2712 ns");
        let rate = MetricUnit::Other("elem/s".to_owned());
        assert_eq!(Scale::of(&rate, 2e6).label(2e6, 1e6), "2 M elem/s");
    }

    #[test]
    fn changes_have_a_sign_unless_there_is_none() {
        for (ratio, decimals, expected) in [
            (1.051, 1, "+5.1"),
            (0.9, 0, "-10"),
            (1.0, 2, "0"),
            (0.999_99, 1, "0"),
            (3.0, 0, "+200"),
        ] {
            assert_eq!(change(ratio, decimals), expected);
        }
    }

    #[test]
    fn labels_of_an_axis_differ_however_close_they_are() {
        for (step, expected) in [
            (50.0, ["0", "50", "100"]),
            (0.5, ["0", "0.5", "1"]),
            (2e-7, ["0", "0.0000002", "0.0000004"]),
            (2.5e-9, ["0", "0.0000000025", "0.000000005"]),
        ] {
            let labels = [0.0, 1.0, 2.0].map(|place| label(place * step, step));
            assert_eq!(labels, expected);
        }
        assert_eq!(label(-0.1 + 0.1, 0.1), "0");
        assert_eq!(label(-1e-17, 0.1), "0");
        // Times of a virtual clock: a second, to the nanosecond.
        let time = Unit::Nanoseconds.into();
        let scale = Scale::of(&time, 1e9);
        assert_eq!(scale.label(1e9 + 2.0, 1.0), "1.000000002 s");
        assert_eq!(scale.label(1e9, 1.0), "1 s");
        let bytes = Unit::Bytes.into();
        let sizes = Scale::of(&bytes, 3.0 * 1024.0);
        assert_eq!(sizes.label(1536.0, 512.0), "1.5 KiB");
    }

    #[test]
    fn percentages_have_two_digits() {
        for (share, expected) in [
            (0.0, "0 %"),
            (0.234, "23 %"),
            (0.0123, "1.2 %"),
            (0.001, "0.10 %"),
            (0.000_012_3, "0.0012 %"),
            (0.000_000_012_3, "0.0000012 %"),
        ] {
            assert_eq!(percent(share), expected);
        }
        assert_eq!([chosen(0.95), chosen(0.005)], ["95 %", "0.5 %"]);
        assert_eq!([chosen(0.003), chosen(1e-9)], ["0.3 %", "0.0000001 %"]);
        for (reach, decimals_) in [
            (0.2, 0),
            (0.004, 1),
            (0.0003, 2),
            (0.000_03, 3),
            (0.000_003, 4),
            (3e-9, 7),
            (0.0, 4),
        ] {
            assert_eq!(decimals(reach), decimals_, "{reach}");
        }
        for (p_value, expected) in [(0.5, "0.50"), (0.0012, "0.0012"), (1e-9, "< 0.0001")] {
            assert_eq!(probability(p_value), expected);
        }
    }
}
