//! What samples are like: location, spread, quantiles.

use crate::numeric;
use crate::samples::Samples;

/// Values in ascending order; at least one, each finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// `values` in any order; `None` when there is none or one is not finite.
    pub fn new(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let right = !values.is_empty() && values.iter().all(|value| value.is_finite());
        right.then_some(Self(values))
    }

    /// The values, ascending.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The value below which the part `part` of them lies, from 0 to 1; beyond that the nearest of
    /// both.
    ///
    /// Definition 7 of Hyndman and Fan, "Sample quantiles in statistical packages" (1996), which is the
    /// default of R and of NumPy: between two values it is interpolated.
    pub fn quantile(&self, part: f64) -> f64 {
        let last = self.0.len() - 1;
        let place = part.clamp(0.0, 1.0) * numeric::count(last);
        let below = numeric::index(place).min(last);
        let above = (below + 1).min(last);
        self.0[below] + (self.0[above] - self.0[below]) * place.fract()
    }

    /// The middle value, or the mean of the two middle ones.
    pub fn median(&self) -> f64 {
        let middle = self.0.len() / 2;
        if self.0.len() % 2 == 1 {
            self.0[middle]
        } else {
            f64::midpoint(self.0[middle - 1], self.0[middle])
        }
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        numeric::mean(&self.0)
    }

    /// The standard deviation of a sample, with `n - 1` in the denominator; of a single value 0,
    /// though nothing is known of its spread.
    pub fn standard_deviation(&self) -> f64 {
        libm::sqrt(numeric::variance(&self.0))
    }

    /// The coefficient of variation: the standard deviation in relation to the mean. `None` when the
    /// mean is 0.
    pub fn variation(&self) -> Option<f64> {
        let mean = self.mean();
        (mean != 0.0).then(|| self.standard_deviation() / mean.abs())
    }

    /// The median absolute deviation from the median, not scaled (Hampel, "The influence curve and its
    /// role in robust estimation", 1974). Of normal values, 1.4826 times it is the standard deviation.
    pub fn median_deviation(&self) -> f64 {
        let median = self.median();
        let deviations = self.0.iter().map(|value| (value - median).abs()).collect();
        // Differences of finite values can overflow; then it is infinite indeed.
        Self::new(deviations).map_or(f64::INFINITY, |deviations| deviations.median())
    }

    /// The smallest value.
    pub fn least(&self) -> f64 {
        self.0[0]
    }

    /// The largest value.
    pub fn greatest(&self) -> f64 {
        self.0[self.0.len() - 1]
    }
}

/// What one side's samples are like. All but the counts are in the samples' unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many invocations there were.
    pub invocations: usize,
    /// How many values they measured in all.
    pub count: usize,
    /// The arithmetic mean, in which each invocation counts the same.
    pub mean: f64,
    /// The median of all values.
    pub median: f64,
    /// The quartile below which a quarter of them lies.
    pub first_quartile: f64,
    /// The quartile below which three quarters of them lie.
    pub third_quartile: f64,
    /// The standard deviation of all values.
    pub standard_deviation: f64,
    /// The median absolute deviation, not scaled.
    pub median_deviation: f64,
    /// The coefficient of variation; `None` when the mean is 0.
    pub variation: Option<f64>,
    /// The smallest value.
    pub least: f64,
    /// The largest value.
    pub greatest: f64,
}

impl Summary {
    /// What `samples` are like.
    pub fn of(samples: &Samples) -> Self {
        let mut values = samples.values();
        values.sort_by(f64::total_cmp);
        let sorted = Sorted(values);
        Self {
            invocations: samples.invocations().len(),
            count: samples.count(),
            mean: numeric::mean(&samples.invocation_means()),
            median: sorted.median(),
            first_quartile: sorted.quantile(0.25),
            third_quartile: sorted.quantile(0.75),
            standard_deviation: sorted.standard_deviation(),
            median_deviation: sorted.median_deviation(),
            variation: sorted.variation(),
            least: sorted.least(),
            greatest: sorted.greatest(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Sorted {
        Sorted::new(values.to_vec()).expect("there are some")
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
        assert_eq!(Sorted::new(Vec::new()), None);
        assert_eq!(Sorted::new(vec![1.0, f64::NAN]), None);
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
            (&[7.0][..], Some(0.0)),
            (&[5.0, 5.0, 5.0], Some(0.0)),
            (&[2.0, 4.0, 6.0], Some(0.5)),
            (&[-1.0, 1.0], None),
        ] {
            assert_eq!(of(values).variation(), variation, "{values:?}");
        }
    }

    #[test]
    fn each_invocation_counts_the_same_in_the_mean() {
        let samples = Samples::new(vec![vec![1.0], vec![3.0, 3.0, 3.0]]).expect("they are finite");
        let summary = Summary::of(&samples);
        assert!((summary.mean - 2.0).abs() < 1e-12);
        assert!((summary.median - 3.0).abs() < 1e-12);
        assert_eq!((summary.invocations, summary.count), (2, 4));
    }

    proptest! {
        #[test]
        fn everything_lies_between_the_extremes(
            values in prop::collection::vec(-1e9_f64..1e9, 1..40),
            part in 0.0_f64..=1.0,
        ) {
            let sorted = of(&values);
            let range = sorted.least()..=sorted.greatest();
            for value in [sorted.quantile(part), sorted.median(), sorted.mean()] {
                prop_assert!(range.contains(&value), "{value} of {sorted:?}");
            }
            prop_assert!((sorted.quantile(0.5) - sorted.median()).abs() <= 1e-6);
            prop_assert!(sorted.median_deviation() <= sorted.greatest() - sorted.least());
        }

        #[test]
        fn quantiles_do_not_fall(
            values in prop::collection::vec(-1e3_f64..1e3, 1..40),
            one in 0.0_f64..=1.0,
            other in 0.0_f64..=1.0,
        ) {
            let sorted = of(&values);
            prop_assert!(sorted.quantile(one.min(other)) <= sorted.quantile(one.max(other)) + 1e-9);
        }
    }
}
