//! What is said of a list of values.

/// A summary of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Statistics {
    pub(super) least: f64,
    pub(super) median: f64,
    pub(super) mean: f64,
    pub(super) most: f64,
}

impl Statistics {
    /// Of values that are all finite; nothing of none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&least, &most) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            sorted[middle - 1].midpoint(sorted[middle])
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "there are 65,535 iterations at most"
        )]
        let count = sorted.len() as f64;
        // Divided first, so that the sum of large ones stays finite.
        let mean = sorted.iter().map(|value| value / count).sum();
        Some(Self {
            least,
            median,
            mean,
            most,
        })
    }

    /// How far the values lie apart, as a part of the median; nothing where that says nothing.
    pub(super) fn spread(&self) -> Option<f64> {
        let spread = (self.most - self.least) / self.median.abs();
        spread.is_finite().then_some(spread)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_known_values() {
        assert_eq!(Statistics::of(&[]), None);
        let odd = Statistics::of(&[3.0, 1.0, 8.0]).expect("values");
        let expected = Statistics {
            least: 1.0,
            median: 3.0,
            mean: 4.0,
            most: 8.0,
        };
        assert_eq!(odd, expected);
        assert!((odd.spread().expect("a median") - 7.0 / 3.0).abs() < 1e-12);
        let even = Statistics::of(&[4.0, 2.0]).expect("values");
        assert!((even.median - 3.0).abs() < 1e-12);
        let zero = Statistics::of(&[0.0]).expect("a value");
        assert_eq!(zero.spread(), None);
        let large = Statistics::of(&[f64::MAX, f64::MAX]).expect("values");
        assert!(large.mean.is_finite() && large.median.is_finite());
    }
}
