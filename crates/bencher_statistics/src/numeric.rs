//! Conversions and sums that the rest needs.

/// What differs by no more than this, relative to itself, is equal: the rest is rounding.
pub(crate) const ROUNDING: f64 = 1e-13;

/// A count as a number to calculate with.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
pub(crate) fn count(of: usize) -> f64 {
    of as f64
}

/// The index that a number from 0 stands for; what is beyond an index, or no number, is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates, and fractions are to be cut off"
)]
pub(crate) fn index(of: f64) -> usize {
    of as usize
}

/// The arithmetic mean; of nothing it is NaN.
///
/// The sum is of differences from the first value, so that large values of little spread lose none of
/// it, and values that are all equal have exactly that mean.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let Some(&first) = values.first() else {
        return f64::NAN;
    };
    first + values.iter().map(|value| value - first).sum::<f64>() / count(values.len())
}

/// The unbiased variance of a sample; of a single value it is 0.
pub(crate) fn variance(values: &[f64]) -> f64 {
    if values.len() < 2 {
        return 0.0;
    }
    let mean = mean(values);
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    squares / count(values.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_no_spread_however_large() {
        let values = [1e15 + 0.3; 7];
        assert_eq!(mean(&values).to_bits(), values[0].to_bits());
        assert_eq!(variance(&values).to_bits(), 0.0_f64.to_bits());
        assert!(mean(&[]).is_nan());
    }

    #[test]
    fn numbers_become_indices() {
        for (number, expected) in [(0.0, 0), (2.9, 2), (-1.0, 0), (f64::NAN, 0)] {
            assert_eq!(index(number), expected, "{number}");
        }
    }
}
