//! Intervals of ratios.

use crate::bootstrap::{Drawing, Units, standard_error};
use crate::distributions::{student_beyond, student_quantile};
use crate::numeric::{self, ROUNDING};
use crate::random::Random;
use crate::samples::Samples;
use crate::settings::{Confidence, Settings};

/// A number with the interval that holds the true one with the confidence that was asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The number.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// A number without doubt.
    pub(crate) fn exact(value: f64) -> Self {
        Self {
            value,
            low: value,
            high: value,
        }
    }

    /// Half of the interval's width in relation to the number: 0.01 is ± 1 %.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / (2.0 * self.value.abs())
    }

    /// Whether the interval holds `value`.
    pub fn covers(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }
}

/// The logarithm of a positive number with its standard error and the degrees of freedom of that.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Logarithm {
    pub(crate) value: f64,
    pub(crate) error: f64,
    pub(crate) degrees: f64,
}

impl Logarithm {
    /// Whether there is a spread that an interval can follow from.
    pub(crate) fn scatters(&self) -> bool {
        self.error > ROUNDING
    }

    /// The interval: Student's quantile times the bootstrap's standard error on either side of the
    /// logarithm (Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 12). With a
    /// handful of invocations the percentiles of what was drawn can not hold 95 %: they end at the
    /// extremes of what was measured.
    pub(crate) fn estimate(&self, confidence: Confidence) -> Estimate {
        let reach = student_quantile(confidence.doubt(), self.degrees) * self.error;
        Estimate {
            value: libm::exp(self.value),
            low: libm::exp(self.value - reach),
            high: libm::exp(self.value + reach),
        }
    }

    /// The probability of a value as far from 0 when the true one is 0.
    pub(crate) fn p_value(&self) -> f64 {
        student_beyond(self.value / self.error, self.degrees)
    }

    /// The change that would be seen in [`POWER`] of all comparisons with this spread, as a share.
    pub(crate) fn detectable(&self, confidence: Confidence) -> f64 {
        let seen = student_quantile(confidence.doubt(), self.degrees);
        let power = student_quantile(2.0 * (1.0 - POWER), self.degrees);
        libm::expm1((seen + power) * self.error)
    }
}

/// How often the smallest detectable change is seen: the custom of Cohen, "Statistical power analysis
/// for the behavioral sciences" (1988).
pub(crate) const POWER: f64 = 0.8;

/// Two sides whose units were measured side by side, in `strata` that are drawn from apart.
pub(crate) fn paired(
    baseline: &Units,
    candidate: &Units,
    strata: &[Vec<usize>],
    settings: &Settings,
) -> Logarithm {
    let drawing = drawing(settings);
    let mut random = Random::new(settings.seed);
    let drawn: Vec<f64> = drawing
        .logarithms([baseline, candidate], strata, &mut random)
        .into_iter()
        .map(|[baseline, candidate]| candidate - baseline)
        .collect();
    Logarithm {
        value: libm::log(candidate.center()) - libm::log(baseline.center()),
        error: standard_error(&drawn),
        degrees: numeric::count(baseline.count() - strata.len()),
    }
}

/// Two sides that have nothing to do with each other: the squares of their errors add up, with the
/// degrees of freedom of Welch, "The generalization of Student's problem when several different
/// population variances are involved" (1947).
pub(crate) fn independent(baseline: &Units, candidate: &Units, settings: &Settings) -> Logarithm {
    let mut random = Random::new(settings.seed);
    let one = single(baseline, settings, &mut random);
    let other = single(candidate, settings, &mut random);
    let squares = |side: Logarithm| side.error * side.error;
    let sum = squares(one) + squares(other);
    let part = |side: Logarithm| squares(side) * squares(side) / side.degrees;
    let degrees = sum * sum / (part(one) + part(other));
    Logarithm {
        value: other.value - one.value,
        error: libm::sqrt(sum),
        degrees: if degrees.is_finite() {
            degrees
        } else {
            one.degrees + other.degrees
        },
    }
}

/// One side alone.
fn single(units: &Units, settings: &Settings, random: &mut Random) -> Logarithm {
    let strata = [(0..units.count()).collect()];
    let drawn = drawing(settings).logarithms([units], &strata, random);
    let drawn: Vec<f64> = drawn.into_iter().flatten().collect();
    Logarithm {
        value: libm::log(units.center()),
        error: standard_error(&drawn),
        degrees: numeric::count(units.count() - 1),
    }
}

fn drawing(settings: &Settings) -> Drawing {
    Drawing {
        levels: settings.levels,
        rounds: settings.rounds.max(FEWEST_ROUNDS),
    }
}

/// Fewer rounds than this give no standard error worth the name.
const FEWEST_ROUNDS: u32 = 100;

/// Why there is no interval.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum EstimateError {
    /// A single value has no spread.
    #[error("one value alone says nothing about its spread; measure at least {FEWEST} times")]
    OneValue,
    /// Ratios need values above zero.
    #[error(
        "iteration {iteration} of invocation {invocation} is {value}; relative intervals need values \
         above zero, so leave it out or take another metric"
    )]
    NotPositive {
        /// The number of the invocation, from 1.
        invocation: usize,
        /// The number of the iteration, from 1.
        iteration: usize,
        /// The value.
        value: f64,
    },
}

/// The fewest invocations that are worth a comparison.
pub(crate) const FEWEST: usize = 5;

/// The center of one side's samples with its interval.
///
/// Samples of which each invocation measured exactly the same have an interval without width.
///
/// # Errors
///
/// When there is only one value, or one is not above zero.
pub fn estimate(samples: &Samples, settings: &Settings) -> Result<Estimate, EstimateError> {
    if samples.count() < 2 {
        return Err(EstimateError::OneValue);
    }
    if let Some((invocation, iteration, value)) = samples.first_not_positive() {
        return Err(EstimateError::NotPositive {
            invocation,
            iteration,
            value,
        });
    }
    let units = Units::of(samples, settings.center);
    if samples.repeats_exactly() {
        return Ok(Estimate::exact(units.center()));
    }
    let center = single(&units, settings, &mut Random::new(settings.seed));
    Ok(center.estimate(settings.confidence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Shape;

    #[test]
    fn what_gives_no_interval_is_refused() {
        let settings = Settings::default();
        let one = Samples::of_invocations(&[3.0]).expect("finite");
        assert_eq!(estimate(&one, &settings), Err(EstimateError::OneValue));
        let zero = Samples::of_invocations(&[3.0, 0.0]).expect("finite");
        let error = estimate(&zero, &settings).expect_err("zero");
        assert_eq!(
            error.to_string(),
            "iteration 1 of invocation 2 is 0; relative intervals need values above zero, so leave it \
             out or take another metric"
        );
    }

    #[test]
    fn a_virtual_clock_has_no_doubt() {
        let samples = Samples::new(vec![vec![5.0, 4.0]; 3]).expect("finite");
        let found = estimate(&samples, &Settings::default()).expect("it repeats");
        assert_eq!(found, Estimate::exact(4.5));
        assert!(found.half_width().abs() < 1e-300);
    }

    #[test]
    fn more_invocations_narrow_it() {
        let width = |invocations| {
            let mut random = Random::new(8);
            let pair = Shape::Normal.pair(&mut random, invocations, 5, 1.0);
            let found = estimate(&pair.baseline, &Settings::default()).expect("it scatters");
            found.half_width()
        };
        assert!(width(40) < 0.7 * width(10));
    }

    #[test]
    fn an_interval_covers_its_ends_and_nothing_beyond() {
        let interval = Estimate {
            value: 1.0,
            low: 0.9,
            high: 1.2,
        };
        for (value, covered) in [(0.9, true), (1.2, true), (0.899, false), (1.201, false)] {
            assert_eq!(interval.covers(value), covered, "{value}");
        }
        assert!((interval.half_width() - 0.15).abs() < 1e-12);
    }
}
