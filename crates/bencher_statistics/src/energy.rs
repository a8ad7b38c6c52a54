//! The energy distance between what is before a point of a series and what is after it.

use crate::numeric;

/// Where a segment is split best.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Split {
    /// The first place of the second part.
    pub(crate) at: usize,
    /// The end of the second part: what follows looks different again.
    pub(crate) end: usize,
}

/// The fewest values of a part.
pub(crate) const FEWEST: usize = 2;

/// The fewest values of a second part that others follow: fewer that went back again are noise.
pub(crate) const EPISODE: usize = 4;

/// The split of `values` with the largest scaled energy distance between the two parts; the second one
/// may end before the values do. `None` when they are too few.
///
/// It is `Q(τ, κ)` of Matteson and James, "A nonparametric approach for multiple change point analysis
/// of multivariate data", Journal of the American Statistical Association (2014), formula 5 to 7, with
/// the exponent 1:
///
/// ```text
/// Q = m n / (m + n) · ( 2 / (m n) Σ|x - y|  -  2 / (m (m-1)) Σ|x - x'|  -  2 / (n (n-1)) Σ|y - y'| )
/// ```
pub(crate) fn best_split(values: &[f64]) -> Option<Split> {
    let distances = Distances::of(values);
    let mut best: Option<(f64, Split)> = None;
    for at in FEWEST..values.len().saturating_sub(FEWEST - 1) {
        let first = distances.within(0, at);
        let mut across = 0.0;
        let mut second = 0.0;
        for end in at + 1..=values.len() {
            across += distances.to(end - 1, 0, at);
            second += distances.to(end - 1, at, end - 1);
            let fewest = if end == values.len() { FEWEST } else { EPISODE };
            if end - at < fewest {
                continue;
            }
            let (m, n) = (numeric::count(at), numeric::count(end - at));
            let distance = 2.0 * across / (m * n)
                - 2.0 * first / (m * (m - 1.0))
                - 2.0 * second / (n * (n - 1.0));
            let scaled = m * n / (m + n) * distance;
            if best.is_none_or(|(largest, _)| scaled > largest) {
                best = Some((scaled, Split { at, end }));
            }
        }
    }
    best.map(|(_, split)| split)
}

/// Sums of absolute differences, by prefixes.
struct Distances {
    length: usize,
    /// `prefix[k][i]`: of value `k` to the values before `i`.
    prefix: Vec<f64>,
}

impl Distances {
    fn of(values: &[f64]) -> Self {
        let length = values.len();
        let mut prefix = vec![0.0; length * (length + 1)];
        for (row, value) in prefix.chunks_exact_mut(length + 1).zip(values) {
            for (place, other) in values.iter().enumerate() {
                row[place + 1] = row[place] + (value - other).abs();
            }
        }
        Self { length, prefix }
    }

    /// The sum of the differences of value `k` to those from `from` to before `to`.
    fn to(&self, k: usize, from: usize, to: usize) -> f64 {
        let row = k * (self.length + 1);
        self.prefix[row + to] - self.prefix[row + from]
    }

    /// The sum over all pairs from `from` to before `to`.
    fn within(&self, from: usize, to: usize) -> f64 {
        (from..to).map(|k| self.to(k, from, k)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_step_is_split_where_it_is() {
        let values = [1.0, 1.1, 0.9, 1.0, 2.0, 2.1, 1.9];
        assert_eq!(best_split(&values), Some(Split { at: 4, end: 7 }));
    }

    #[test]
    fn a_second_step_ends_the_second_part() {
        let values = [1.0, 1.1, 0.9, 1.0, 5.0, 5.1, 4.9, 5.0, 1.0, 0.9, 1.1, 1.0];
        assert_eq!(best_split(&values), Some(Split { at: 4, end: 8 }));
    }

    #[test]
    fn too_few_values_are_not_split() {
        assert_eq!(best_split(&[]), None);
        assert_eq!(best_split(&[1.0, 2.0, 3.0]), None);
    }

    /// The definition, summed naively.
    fn scaled(first: &[f64], second: &[f64]) -> f64 {
        let sum = |one: &[f64], other: &[f64]| -> f64 {
            one.iter()
                .flat_map(|x| other.iter().map(move |y| (x - y).abs()))
                .sum()
        };
        let (m, n) = (numeric::count(first.len()), numeric::count(second.len()));
        m * n / (m + n)
            * (2.0 * sum(first, second) / (m * n)
                - sum(first, first) / (m * (m - 1.0))
                - sum(second, second) / (n * (n - 1.0)))
    }

    proptest! {
        #[test]
        fn no_other_split_is_better(values in prop::collection::vec(-10.0_f64..10.0, 4..20)) {
            let found = best_split(&values).expect("there are enough");
            let best = scaled(&values[..found.at], &values[found.at..found.end]);
            for at in FEWEST..=values.len() - FEWEST {
                for end in (at + EPISODE..values.len()).chain([values.len()]) {
                    let other = scaled(&values[..at], &values[at..end]);
                    prop_assert!(other <= best + 1e-9, "{at} {end}: {other} > {best}");
                }
            }
        }
    }
}
