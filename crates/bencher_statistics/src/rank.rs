//! Rank statistics: a second opinion that asks for no distribution.

use crate::distributions::normal_below;
use crate::numeric;

/// What the test of Mann and Whitney says, and how large the difference is by ranks.
///
/// Mann and Whitney, "On a test of whether one of two random variables is stochastically larger than
/// the other" (1947).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankTest {
    /// The pairs of one value of each side in which the second side's is the larger one; equal ones
    /// count half.
    pub u: f64,
    /// The probability of a `u` as far from the middle when both sides are alike; two-sided.
    pub p_value: f64,
    /// Whether the probability is exact, counted over all orders, instead of the normal
    /// approximation with corrections for ties and continuity.
    pub exact: bool,
    /// The measure of Vargha and Delaney, "A critique and improvement of the CL common language effect
    /// size statistics" (2000): the probability that a value of the second side is larger than one of
    /// the first; ½ when neither tends to be.
    pub superiority: f64,
    /// The shift of Hodges and Lehmann, "Estimates of location based on rank tests" (1963): the median
    /// of all differences, second less first, in the samples' unit.
    pub shift: f64,
}

impl RankTest {
    /// Compares `second` with `first`; `None` when one of them is empty or not finite.
    pub fn of(first: &[f64], second: &[f64]) -> Option<Self> {
        let sorted = |values: &[f64]| {
            let mut values = values.to_vec();
            values.sort_by(f64::total_cmp);
            let right = !values.is_empty() && values.iter().all(|value| value.is_finite());
            right.then_some(values)
        };
        let (first, second) = (sorted(first)?, sorted(second)?);
        let pairs = numeric::count(first.len()) * numeric::count(second.len());
        let u = pairs_below(&first, &second);
        let ties = ties(&first, &second);
        let exact = ties.is_empty() && first.len() * second.len() <= MOST_PAIRS;
        let p_value = if exact {
            exact_probability(u, first.len(), second.len())
        } else {
            normal_probability(u, first.len(), second.len(), &ties)
        };
        Some(Self {
            u,
            p_value,
            exact,
            superiority: u / pairs,
            shift: median_difference(&first, &second),
        })
    }

    /// Cliff's delta ("Dominance statistics: ordinal analyses to answer ordinal questions", 1993): how
    /// much more often the second side is the larger than the smaller one, from -1 to 1.
    pub fn cliffs_delta(&self) -> f64 {
        2.0 * self.superiority - 1.0
    }
}

/// The most pairs of which the orders are counted: 25 values of each side.
const MOST_PAIRS: usize = 625;

/// Pairs in which the value of `second` is larger; equal ones count half. Both are sorted.
fn pairs_below(first: &[f64], second: &[f64]) -> f64 {
    let (mut smaller, mut not_larger) = (0, 0);
    let mut u = 0.0;
    for &value in second {
        while smaller < first.len() && first[smaller] < value {
            smaller += 1;
        }
        while not_larger < first.len() && first[not_larger] <= value {
            not_larger += 1;
        }
        u += f64::midpoint(numeric::count(smaller), numeric::count(not_larger));
    }
    u
}

/// How many values share a value with others, for each such value.
fn ties(first: &[f64], second: &[f64]) -> Vec<f64> {
    let mut all = [first, second].concat();
    all.sort_by(f64::total_cmp);
    #[expect(clippy::float_cmp, reason = "ties are equal values")]
    let groups = all.chunk_by(|one, other| one == other);
    let lengths = groups.map(<[f64]>::len).filter(|&length| length > 1);
    lengths.map(numeric::count).collect()
}

/// The probability by the distribution of `u` over all orders, each as likely, by the recurrence of
/// Mann and Whitney (1947) in the form of a product of Gaussian binomials.
fn exact_probability(u: f64, first: usize, second: usize) -> f64 {
    let most = first * second;
    // Orders with this u; the number of orders is that of choices of `first` out of all.
    let mut orders = vec![0.0; most + 1];
    orders[0] = 1.0;
    for step in 1..=first {
        // Times (1 - q^(second + step)), divided by (1 - q^step): the coefficients stay exact up to
        // 2⁵³ and are then rounded as probabilities may be.
        for at in (second + step..=most).rev() {
            orders[at] -= orders[at - second - step];
        }
        for at in step..=most {
            orders[at] += orders[at - step];
        }
    }
    let all: f64 = orders.iter().sum();
    let tail = numeric::index(u.min(numeric::count(most) - u));
    let beyond: f64 = orders[..=tail].iter().sum();
    (2.0 * beyond / all).min(1.0)
}

/// The probability by the normal approximation, with corrections for ties and for continuity
/// (Lehmann, "Nonparametrics", 1975, section 1.3 and 1.4); 1 when all values are equal.
fn normal_probability(u: f64, first: usize, second: usize, ties: &[f64]) -> f64 {
    let (first, second) = (numeric::count(first), numeric::count(second));
    let all = first + second;
    let correction: f64 = ties.iter().map(|count| count * (count * count - 1.0)).sum();
    let variance = first * second / 12.0 * (all + 1.0 - correction / (all * (all - 1.0)));
    if variance <= 0.0 {
        return 1.0;
    }
    let distance = ((u - first * second / 2.0).abs() - 0.5).max(0.0);
    (2.0 * normal_below(-distance / libm::sqrt(variance))).min(1.0)
}

/// The median of all differences of a value of `second` and one of `first`; both are sorted. By
/// bisection over values, so that pairs need neither be kept nor sorted.
fn median_difference(first: &[f64], second: &[f64]) -> f64 {
    let pairs = first.len() * second.len();
    let middle = kth_difference(first, second, pairs.div_ceil(2));
    if pairs % 2 == 1 {
        return middle;
    }
    f64::midpoint(middle, kth_difference(first, second, pairs / 2 + 1))
}

/// The smallest difference that at least `rank` differences do not exceed.
fn kth_difference(first: &[f64], second: &[f64], rank: usize) -> f64 {
    let mut low = second[0] - first[first.len() - 1];
    let mut high = second[second.len() - 1] - first[0];
    if differences_up_to(first, second, low) >= rank {
        return low;
    }
    loop {
        let middle = f64::midpoint(low, high);
        if middle <= low || middle >= high {
            return high;
        }
        if differences_up_to(first, second, middle) >= rank {
            high = middle;
        } else {
            low = middle;
        }
    }
}

fn differences_up_to(first: &[f64], second: &[f64], bound: f64) -> usize {
    let mut above = 0;
    let mut count = 0;
    for &value in second {
        // The values of the first side that are too small: more of them for each larger value.
        while above < first.len() && value - first[above] > bound {
            above += 1;
        }
        count += first.len() - above;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_example_of_five_and_four() {
        // All of one side above all of the other: 2 of the 126 orders are as extreme.
        let test = RankTest::of(&[1.0, 2.0, 3.0, 4.0, 5.0], &[6.0, 7.0, 8.0, 9.0]).expect("finite");
        assert!(test.exact);
        assert!((test.u - 20.0).abs() < 1e-12);
        assert!(
            (test.p_value - 2.0 / 126.0).abs() < 1e-12,
            "{}",
            test.p_value
        );
        assert!((test.superiority - 1.0).abs() < 1e-12);
        assert!((test.cliffs_delta() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn equal_values_say_nothing() {
        let test = RankTest::of(&[3.0; 4], &[3.0; 9]).expect("finite");
        assert!((test.p_value - 1.0).abs() < 1e-12);
        assert!((test.superiority - 0.5).abs() < 1e-12);
        assert!(test.shift.abs() < 1e-12);
        assert_eq!(RankTest::of(&[], &[1.0]), None);
        assert_eq!(RankTest::of(&[1.0], &[f64::NAN]), None);
    }

    fn pairwise(first: &[f64], second: &[f64]) -> Vec<f64> {
        let mut differences: Vec<f64> = second
            .iter()
            .flat_map(|other| first.iter().map(move |one| other - one))
            .collect();
        differences.sort_by(f64::total_cmp);
        differences
    }

    proptest! {
        #[test]
        fn counts_and_shifts_are_those_of_all_pairs(
            first in prop::collection::vec(-50_i32..50, 1..30),
            second in prop::collection::vec(-50_i32..50, 1..30),
        ) {
            let first: Vec<f64> = first.into_iter().map(f64::from).collect();
            let second: Vec<f64> = second.into_iter().map(f64::from).collect();
            let test = RankTest::of(&first, &second).expect("finite");
            let differences = pairwise(&first, &second);
            let u: f64 = differences
                .iter()
                .map(|&d| if d > 0.0 { 1.0 } else if d < 0.0 { 0.0 } else { 0.5 })
                .sum();
            prop_assert!((test.u - u).abs() < 1e-9);
            let middle = differences.len() / 2;
            let median = if differences.len() % 2 == 1 {
                differences[middle]
            } else {
                f64::midpoint(differences[middle - 1], differences[middle])
            };
            prop_assert!((test.shift - median).abs() < 1e-9, "{} {median}", test.shift);
            prop_assert!((0.0..=1.0).contains(&test.p_value));
        }

        #[test]
        fn the_sides_can_be_swapped(
            first in prop::collection::vec(-1e3_f64..1e3, 1..20),
            second in prop::collection::vec(-1e3_f64..1e3, 1..20),
        ) {
            let there = RankTest::of(&first, &second).expect("finite");
            let back = RankTest::of(&second, &first).expect("finite");
            prop_assert!((there.p_value - back.p_value).abs() < 1e-9);
            prop_assert!((there.cliffs_delta() + back.cliffs_delta()).abs() < 1e-9);
            prop_assert!((there.shift + back.shift).abs() < 1e-6);
        }
    }
}
