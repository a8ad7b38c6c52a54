//! How far measurements scatter, and how sure a comparison of two sides is.

use std::fmt;

use bencher_statistics::Random;

use super::statistics::Samples;

/// A way to say how far measurements scatter, in relation to their middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spread {
    /// The coefficient of variation: a few that are far off weigh most.
    Variation,
    /// The distance between the quartiles in relation to the median: the middle half alone counts.
    Quartiles,
}

/// A number, and the bounds between which it is in 95 of 100 repetitions of the whole measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// How often the measurement is repeated in thought.
const RESAMPLES: usize = 10_000;

/// Always the same, so that the same measurements give the same interval.
const SEED: u64 = 1;

impl Spread {
    /// The spread of `samples`.
    pub(crate) fn of(self, samples: &Samples) -> f64 {
        match self {
            Self::Variation => samples.variation().unwrap_or_default(),
            Self::Quartiles => (samples.quantile(0.75) - samples.quantile(0.25)) / samples.median(),
        }
    }

    /// How many times as large the spread of the first is as that of the second, measured in
    /// rounds; `None` without any.
    pub(crate) fn ratio(self, rounds: &[(f64, f64)]) -> Option<Estimate> {
        Estimate::of(rounds, |first, second| self.of(first) / self.of(second))
    }
}

impl Estimate {
    /// What `measure` says of both sides that were measured in rounds; `None` without any.
    ///
    /// The interval is the bootstrap's percentile interval (Efron and Tibshirani, "An Introduction
    /// to the Bootstrap", 1993, chapter 13). Whole rounds are drawn: what disturbed both of a
    /// round does so again.
    pub(crate) fn of(
        rounds: &[(f64, f64)],
        measure: impl Fn(&Samples, &Samples) -> f64,
    ) -> Option<Self> {
        let measure = |rounds: Vec<(f64, f64)>| {
            let (first, second) = rounds.into_iter().unzip();
            Some(measure(&Samples::new(first)?, &Samples::new(second)?))
        };
        let value = measure(rounds.to_vec())?;
        let mut random = Random::new(SEED);
        let mut draw = || rounds.get(random.below(rounds.len())).copied();
        let drawn = (0..RESAMPLES)
            .filter_map(|_| measure(rounds.iter().filter_map(|_| draw()).collect()))
            // Of one round drawn again and again nothing scatters: a ratio to that is none.
            .filter(|drawn| drawn.is_finite())
            .collect();
        let drawn = Samples::new(drawn)?;
        Some(Self {
            value,
            low: drawn.quantile(0.025),
            high: drawn.quantile(0.975),
        })
    }
}

impl fmt::Display for Estimate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{:.2}× ({:.2} – {:.2})",
            self.value, self.low, self.high
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Samples {
        Samples::new(values.to_vec()).expect("there are some")
    }

    /// Rounds in which the second scatters `times` as much as the first.
    fn rounds(count: u32, times: f64) -> Vec<(f64, f64)> {
        let mut random = Random::new(42);
        (0..count)
            .map(|_| (100.0 + random.unit(), 100.0 + times * random.unit()))
            .collect()
    }

    #[test]
    fn one_that_is_far_off_counts_for_one_spread_alone() {
        let calm = of(&[100.0, 101.0, 102.0, 103.0, 104.0]);
        let jumpy = of(&[100.0, 101.0, 102.0, 103.0, 900.0]);
        let quartiles = Spread::Quartiles.of(&calm);
        assert!((quartiles - 2.0 / 102.0).abs() < 1e-9, "{quartiles}");
        assert!((Spread::Quartiles.of(&jumpy) - quartiles).abs() < 1e-9);
        assert!(Spread::Variation.of(&jumpy) > 10.0 * Spread::Variation.of(&calm));
    }

    #[test]
    fn the_interval_holds_the_true_ratio_and_narrows() {
        for spread in [Spread::Variation, Spread::Quartiles] {
            let few = spread.ratio(&rounds(20, 4.0)).expect("there are rounds");
            let many = spread.ratio(&rounds(200, 4.0)).expect("there are rounds");
            for estimate in [few, many] {
                assert!(estimate.low < 0.25 && 0.25 < estimate.high, "{estimate}");
                assert!(estimate.low < estimate.value && estimate.value < estimate.high);
            }
            assert!(many.high - many.low < few.high - few.low, "{few} {many}");
            assert!(many.high < 0.5, "{many}");
            assert_eq!(
                spread.ratio(&rounds(20, 4.0)),
                Some(few),
                "and is repeatable"
            );
        }
    }

    #[test]
    fn too_little_gives_nothing() {
        assert_eq!(Spread::Variation.ratio(&[]), None);
        assert_eq!(Spread::Variation.ratio(&[(1.0, 1.0)]), None);
    }
}
