//! Many comparisons at once.

use crate::numeric;

/// Adjusts p-values for their number. Of those that are at most `q` after it, a share of `q` is false
/// alarms at most, on average.
///
/// Benjamini and Hochberg, "Controlling the false discovery rate: a practical and powerful approach to
/// multiple testing" (1995). The result is in the order of the input.
pub fn adjust(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&one, &other| p_values[other].total_cmp(&p_values[one]));
    let all = numeric::count(p_values.len());
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0_f64;
    for (above, &index) in order.iter().enumerate() {
        let rank = all - numeric::count(above);
        least = least.min((p_values[index] * (all / rank)).max(p_values[index]));
        adjusted[index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_paper() {
        // Section 3.2: fifteen hypotheses, of which four are rejected at 0.05.
        let p_values = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262,
            0.5719, 0.6528, 0.7590, 1.0000,
        ];
        let rejected = adjust(&p_values).iter().filter(|&&q| q <= 0.05).count();
        assert_eq!(rejected, 4);
        assert!(adjust(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn none_becomes_smaller_and_the_order_stays(
            p_values in prop::collection::vec(0.0_f64..=1.0, 1..30),
        ) {
            let adjusted = adjust(&p_values);
            for (one, q) in p_values.iter().zip(&adjusted) {
                prop_assert!(one <= q && *q <= 1.0);
                for (other, r) in p_values.iter().zip(&adjusted) {
                    prop_assert!(one > other || q <= r);
                }
            }
        }
    }
}
