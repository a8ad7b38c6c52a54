//! Medians, spreads and ratios, and how they are written.

use std::fmt::Write as _;

/// Measurements of one contestant in one unit; never empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// `values` in any order; `None` when there are none.
    pub(crate) fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        (!values.is_empty()).then_some(Self(values))
    }

    /// The middle value, or the mean of the two middle ones.
    pub(crate) fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 {
            self.0[middle]
        } else {
            f64::midpoint(self.0[middle - 1], self.0[middle])
        }
    }

    /// The value below which the part `part` of them lies, from 0 to 1; between two of them it is
    /// interpolated.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let place = part.clamp(0.0, 1.0) * (self.0.len() - 1) as f64;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index of one of them"
        )]
        let below = place as usize;
        let above = (below + 1).min(self.0.len() - 1);
        self.0[below] + (self.0[above] - self.0[below]) * place.fract()
    }

    /// The coefficient of variation: the standard deviation of a sample in relation to its mean.
    /// Nothing is known of a single value, which gives 0.
    pub(crate) fn variation(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let count = self.0.len() as f64;
        let mean = self.0.iter().sum::<f64>() / count;
        let squares: f64 = self.0.iter().map(|value| (value - mean).powi(2)).sum();
        (squares / (count - 1.0).max(1.0)).sqrt() / mean
    }

    pub(crate) fn least(&self) -> f64 {
        self.0[0]
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// A Markdown table of contestants with each one's time in relation to the first one's.
pub(crate) fn table(unit: &str, decimals: usize, contestants: &[(String, Samples)]) -> String {
    let mut text =
        format!("| | median ({unit}) | least – greatest | ratio |\n|---|---:|---:|---:|\n");
    let Some((_, first)) = contestants.first() else {
        return text;
    };
    for (name, samples) in contestants {
        let _ = writeln!(
            text,
            "| {name} | {:.decimals$} | {:.decimals$} – {:.decimals$} | {} |",
            samples.median(),
            samples.least(),
            samples.greatest(),
            ratio(samples, first),
        );
    }
    text
}

/// How many times as large the median of `one` is as that of `other`.
pub(crate) fn ratio(one: &Samples, other: &Samples) -> String {
    let ratio = one.median() / other.median();
    if ratio >= 10.0 {
        format!("{ratio:.0}×")
    } else {
        format!("{ratio:.2}×")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).expect("there are some")
    }

    #[test]
    fn the_median_is_in_the_middle() {
        for (values, median) in [
            (&[3.0][..], 3.0),
            (&[9.0, 1.0], 5.0),
            (&[5.0, 1.0, 9.0], 5.0),
            (&[4.0, 1.0, 9.0, 2.0], 3.0),
        ] {
            assert!((of(values).median() - median).abs() < 1e-9, "{values:?}");
        }
        assert_eq!(Samples::new(Vec::new()), None);
    }

    #[test]
    fn quantiles_lie_between_the_values() {
        let samples = of(&[4.0, 1.0, 2.0, 3.0]);
        for (part, value) in [(0.0, 1.0), (0.25, 1.75), (0.5, 2.5), (1.0, 4.0), (7.0, 4.0)] {
            assert!((samples.quantile(part) - value).abs() < 1e-9, "{part}");
        }
        assert!((of(&[7.0]).quantile(0.3) - 7.0).abs() < 1e-9);
    }

    #[test]
    fn variation_is_that_of_a_sample() {
        for (values, variation) in [
            (&[7.0][..], 0.0),
            (&[5.0, 5.0, 5.0], 0.0),
            (&[2.0, 4.0, 6.0], 0.5),
        ] {
            assert!(
                (of(values).variation() - variation).abs() < 1e-9,
                "{values:?}"
            );
        }
    }

    #[test]
    fn ratios_are_to_the_first() {
        let contestants = [
            ("ours".to_owned(), of(&[2.0, 1.0, 4.0])),
            ("theirs".to_owned(), of(&[90.0])),
            ("bound".to_owned(), of(&[1.5])),
        ];
        insta::assert_snapshot!(table("s", 2, &contestants), @r"
        | | median (s) | least – greatest | ratio |
        |---|---:|---:|---:|
        | ours | 2.00 | 1.00 – 4.00 | 1.00× |
        | theirs | 90.00 | 90.00 – 90.00 | 45× |
        | bound | 1.50 | 1.50 – 1.50 | 0.75× |
        ");
    }
}
