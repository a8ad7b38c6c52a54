//! What is wrong with samples: values far from the others, a trend, neighbours that resemble each
//! other.

use crate::describe::Sorted;
use crate::distributions::student_beyond;
use crate::numeric;
use crate::samples::Samples;

/// An iteration whose value lies far from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// The place of its invocation, from 0.
    pub invocation: usize,
    /// The place of the iteration in it, from 0.
    pub iteration: usize,
    /// The value.
    pub value: f64,
    /// Whether it is far out, beyond three times the distance of the quartiles instead of one and a
    /// half.
    pub far_out: bool,
}

/// Marks iterations beyond the fences of Tukey, "Exploratory data analysis" (1977), section 2D: one and
/// a half times the distance of the quartiles below the lower or above the upper one. Of normal values
/// 0.7 % are; far out, two in a million.
///
/// They are marked, not removed: nothing but their value speaks against them. When half of all values
/// are equal there are no fences, and no marks.
pub fn suspects(samples: &Samples) -> Vec<Suspect> {
    let Some(sorted) = Sorted::new(samples.values()) else {
        return Vec::new();
    };
    let (low, high) = (sorted.quantile(0.25), sorted.quantile(0.75));
    let distance = high - low;
    if distance <= 0.0 {
        return Vec::new();
    }
    let beyond =
        |value: f64, times: f64| value < low - times * distance || value > high + times * distance;
    let mut suspects = Vec::new();
    for (invocation, values) in samples.invocations().iter().enumerate() {
        for (iteration, &value) in values.iter().enumerate() {
            if beyond(value, 1.5) {
                suspects.push(Suspect {
                    invocation,
                    iteration,
                    value,
                    far_out: beyond(value, 3.0),
                });
            }
        }
    }
    suspects
}

/// The correlation of each value with the next one (Box and Jenkins, "Time series analysis", 1970,
/// section 2.1.4), from -1 to 1; `None` of fewer than three values, or of equal ones.
pub fn lag_one(values: &[f64]) -> Option<f64> {
    if values.len() < 3 {
        return None;
    }
    let mean = numeric::mean(values);
    let squares: f64 = values
        .iter()
        .map(|value| (value - mean) * (value - mean))
        .sum();
    let products: f64 = values
        .windows(2)
        .map(|pair| (pair[0] - mean) * (pair[1] - mean))
        .sum();
    (squares > 0.0).then(|| products / squares)
}

/// How values depend on the time at which they were measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TimeDependence {
    /// The correlation of each value with the next one.
    pub lag_one: f64,
    /// What the correlation of independent values exceeds in one of twenty cases, in either direction:
    /// `1.96 / √n` (Bartlett, "On the theoretical specification and sampling properties of
    /// autocorrelated time-series", 1946).
    pub bound: f64,
    /// The rank correlation with time (Spearman, "The proof and measurement of association between two
    /// things", 1904): 1 when each value is larger than the one before.
    pub trend: f64,
    /// The probability of a trend as strong when there is none, by Student's distribution.
    pub trend_p_value: f64,
}

impl TimeDependence {
    /// Looks at `values` in the order in which they were taken; `None` of fewer than four values, or of
    /// equal ones.
    pub fn of(values: &[f64]) -> Option<Self> {
        if values.len() < 4 {
            return None;
        }
        let trend = rank_correlation_with_time(values)?;
        let degrees = numeric::count(values.len() - 2);
        let left = (1.0 - trend * trend).max(0.0);
        Some(Self {
            lag_one: lag_one(values)?,
            bound: 1.959_963_984_540_054 / libm::sqrt(numeric::count(values.len())),
            trend,
            trend_p_value: student_beyond(trend * libm::sqrt(degrees / left), degrees),
        })
    }

    /// Whether neighbours resemble each other, or avoid each other, more than by chance.
    pub fn is_autocorrelated(&self) -> bool {
        self.lag_one.abs() > self.bound
    }

    /// Whether neighbours resemble each other more than in one of two hundred series by chance: then
    /// intervals, which take the values for independent, are too narrow.
    pub fn neighbours_resemble(&self) -> bool {
        const ONE_OF_TWENTY: f64 = 1.959_963_984_540_054;
        const ONE_OF_HUNDRED: f64 = 2.575_829_303_548_901;
        self.lag_one * ONE_OF_TWENTY > self.bound * ONE_OF_HUNDRED
    }

    /// Whether the values rise or fall more than by chance: one in a hundred series without a trend
    /// does.
    pub fn has_trend(&self) -> bool {
        self.trend_p_value < 0.01
    }
}

/// Spearman's rank correlation of values and their places, ties with their middle rank.
fn rank_correlation_with_time(values: &[f64]) -> Option<f64> {
    let ranks = ranks(values);
    let middle = numeric::count(values.len() - 1) / 2.0;
    let (mut products, mut of_ranks, mut of_places) = (0.0, 0.0, 0.0);
    for (place, rank) in ranks.iter().enumerate() {
        let place = numeric::count(place) - middle;
        let rank = rank - middle;
        products += place * rank;
        of_ranks += rank * rank;
        of_places += place * place;
    }
    (of_ranks > 0.0).then(|| (products / libm::sqrt(of_ranks * of_places)).clamp(-1.0, 1.0))
}

/// The rank of each value, from 0; equal ones share their mean.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&one, &other| values[one].total_cmp(&values[other]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    #[expect(clippy::float_cmp, reason = "ties are equal values")]
    for tied in order.chunk_by(|&one, &other| values[one] == values[other]) {
        let rank = numeric::count(before) + numeric::count(tied.len() - 1) / 2.0;
        for &place in tied {
            ranks[place] = rank;
        }
        before += tied.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use crate::simulation::Shape;

    #[test]
    fn iterations_beyond_the_fences_are_marked() {
        let samples = Samples::new(vec![
            vec![10.0, 10.1, 9.9, 10.2],
            vec![10.0, 9.8, 11.2, 30.0],
        ])
        .expect("finite");
        let marks: Vec<_> = suspects(&samples)
            .iter()
            .map(|one| (one.invocation, one.iteration, one.far_out))
            .collect();
        assert_eq!(marks, [(1, 2, false), (1, 3, true)]);
    }

    #[test]
    fn without_a_spread_nothing_is_suspect() {
        let samples = Samples::of_iterations(&[5.0, 5.0, 5.0, 5.0, 6.0]).expect("finite");
        assert_eq!(suspects(&samples), []);
    }

    #[test]
    fn of_normal_values_few_are_suspect() {
        let values = Shape::Normal.host(&mut Random::new(6), 1, 20_000);
        let samples = Samples::new(values).expect("finite");
        let found = suspects(&samples).len();
        assert!((90..190).contains(&found), "0.7 %: {found}");
    }

    #[test]
    fn time_shows_in_the_shapes_that_have_it() {
        let of = |shape: Shape| {
            let values = shape.host(&mut Random::new(3), 1, 400).concat();
            TimeDependence::of(&values).expect("they differ")
        };
        let of_slots = |shape: Shape| {
            let values = shape.host(&mut Random::new(3), 400, 1).concat();
            TimeDependence::of(&values).expect("they differ")
        };
        assert!(of(Shape::Autocorrelated).is_autocorrelated());
        assert!(of(Shape::Autocorrelated).neighbours_resemble());
        assert!(of_slots(Shape::Drifting).has_trend());
        let normal = of(Shape::Normal);
        assert!(
            !normal.is_autocorrelated() && !normal.neighbours_resemble() && !normal.has_trend(),
            "{normal:?}"
        );
    }

    #[test]
    fn equal_neighbours_are_seldom_chance_and_opposite_ones_no_resemblance() {
        let found = (0..2000_u64).filter(|&seed| {
            let values = Shape::Normal.host(&mut Random::new(seed), 1, 30).concat();
            TimeDependence::of(&values).is_some_and(|found| found.neighbours_resemble())
        });
        let found = found.count();
        assert!(
            found <= 20,
            "0.5 % of 2,000, three standard errors above: {found}"
        );
        let opposite: Vec<f64> = (0..40).map(|place| f64::from(place % 2)).collect();
        let found = TimeDependence::of(&opposite).expect("they differ");
        assert!(found.is_autocorrelated() && !found.neighbours_resemble());
    }

    #[test]
    fn a_perfect_trend_is_certain() {
        let rising = TimeDependence::of(&[1.0, 2.0, 3.0, 4.0, 9.0]).expect("they differ");
        assert!((rising.trend - 1.0).abs() < 1e-12);
        assert!(rising.trend_p_value < 1e-12);
        assert_eq!(TimeDependence::of(&[2.0; 9]), None);
        assert_eq!(TimeDependence::of(&[1.0, 2.0, 3.0]), None);
    }
}
