//! Where a series of results changed.
//!
//! The method of Fleming, Kołaczkowski and others, "Hunter: using change point detection to hunt for
//! performance regressions" (ICPE 2023), which Apache Otava continues: E-divisive means of Matteson and
//! James (2014) proposes where, Student's t-test says how surely, which needs no random permutations and
//! finds changes of a handful of results. Three steps:
//!
//! 1. Windows that overlap by half are split at the largest energy distance, and what comes of that
//!    again, as long as a test with ten times the p-value in question finds a difference: weak points.
//! 2. Each point is tested with all results between its neighbours. The weakest goes, and the others are
//!    tested anew, until all are significant.
//! 3. Points that change less than is of interest go the same way.

use crate::distributions::student_beyond;
use crate::energy;
use crate::numeric;

/// What is a change.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangeSettings {
    /// Results that are looked at together. Longer windows find smaller changes, and take more time,
    /// with the square of the length.
    pub window: usize,
    /// The largest p-value of a change. It is that of one test of a point that was chosen for being the
    /// best one, so it has to be far smaller than the share of false alarms that one can live with:
    /// docs/statistics.md shows what it makes of noise.
    pub p_value: f64,
    /// The smallest change, as a share of the mean before it; 0 for any.
    pub least: f64,
}

impl Default for ChangeSettings {
    fn default() -> Self {
        Self {
            window: 50,
            p_value: 0.001,
            least: 0.0,
        }
    }
}

/// A place where a series changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ChangePoint {
    /// The place of the first result after the change, from 0.
    pub index: usize,
    /// The mean of the results between the change before and this one.
    pub before: f64,
    /// The mean of the results between this change and the next one.
    pub after: f64,
    /// The p-value of Student's t-test between both.
    pub p_value: f64,
}

impl ChangePoint {
    /// The change in relation to what was before: 0.01 is 1 % more. `None` when that was 0.
    pub fn relative(&self) -> Option<f64> {
        (self.before != 0.0).then(|| (self.after - self.before) / self.before.abs())
    }

    /// How many times as large it became. `None` when it was 0.
    pub fn ratio(&self) -> Option<f64> {
        (self.before != 0.0).then(|| self.after / self.before)
    }
}

/// Why a series can not be looked at.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ChangesError {
    /// NaN or an infinity.
    #[error("result {number} of the series is {value}, which is no measurement; leave it out")]
    NotFinite {
        /// Its number, from 1.
        number: usize,
        /// The value.
        value: f64,
    },
}

/// Windows are at least and at most this long: a split needs values, and its memory grows with the
/// square.
const WINDOWS: (usize, usize) = (8, 1000);

/// How much larger the p-value of a weak point may be.
const WEAK: f64 = 10.0;

/// Finds the changes of `series`, in its order. A series of fewer than four results has none.
///
/// # Errors
///
/// When a value is not finite.
pub fn changes(
    series: &[f64],
    settings: &ChangeSettings,
) -> Result<Vec<ChangePoint>, ChangesError> {
    let wrong = (1..).zip(series).find(|(_, value)| !value.is_finite());
    if let Some((number, &value)) = wrong {
        return Err(ChangesError::NotFinite { number, value });
    }
    let mut points = weak_points(series, settings);
    merge(series, &mut points, |point| {
        settings.p_value - point.p_value
    });
    merge(series, &mut points, |point| {
        // From nothing to something is more than any share.
        let relative = point.relative().map_or(f64::INFINITY, f64::abs);
        relative - settings.least
    });
    Ok(tested(series, &points))
}

fn weak_points(series: &[f64], settings: &ChangeSettings) -> Vec<usize> {
    let window = settings.window.clamp(WINDOWS.0, WINDOWS.1);
    let mut points = Vec::new();
    let mut start = 0;
    loop {
        let end = (start + window).min(series.len());
        let mut found = Vec::new();
        split(series, start, end, WEAK * settings.p_value, &mut found);
        // What is before the last change says nothing about the next one.
        let last = found.iter().copied().max().unwrap_or(start);
        points.append(&mut found);
        if end == series.len() {
            break;
        }
        start = last.max(start + window / 2);
    }
    points.sort_unstable();
    points.dedup();
    points
}

/// Adds the points of `series[start..end]`, and of its parts.
fn split(series: &[f64], start: usize, end: usize, p_value: f64, points: &mut Vec<usize>) {
    let Some(found) = energy::best_split(&series[start..end]) else {
        return;
    };
    let at = start + found.at;
    if difference(&series[start..at], &series[at..start + found.end]) > p_value {
        return;
    }
    points.push(at);
    split(series, start, at, p_value, points);
    split(series, at, end, p_value, points);
}

/// Takes out the point with the smallest `margin` until none is below 0.
fn merge(series: &[f64], points: &mut Vec<usize>, margin: impl Fn(&ChangePoint) -> f64) {
    loop {
        let tested = tested(series, points);
        let margins = tested.iter().map(&margin).enumerate();
        match margins.min_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((weakest, margin)) if margin < 0.0 => points.remove(weakest),
            _ => return,
        };
    }
}

/// Each point with the results between its neighbours.
fn tested(series: &[f64], points: &[usize]) -> Vec<ChangePoint> {
    let bounds: Vec<usize> = std::iter::once(0)
        .chain(points.iter().copied())
        .chain([series.len()])
        .collect();
    bounds
        .windows(3)
        .map(|three| {
            let (before, after) = (&series[three[0]..three[1]], &series[three[1]..three[2]]);
            ChangePoint {
                index: three[1],
                before: numeric::mean(before),
                after: numeric::mean(after),
                p_value: difference(before, after),
            }
        })
        .collect()
}

/// The p-value of Student's t-test of two samples with one variance ("The probable error of a mean",
/// 1908). Unlike Welch's it can do with two results after a change.
fn difference(before: &[f64], after: &[f64]) -> f64 {
    let (m, n) = (before.len(), after.len());
    if m == 0 || n == 0 || m + n < 3 {
        return 1.0;
    }
    let squares = |values: &[f64]| numeric::variance(values) * numeric::count(values.len() - 1);
    let degrees = numeric::count(m + n - 2);
    let variance = (squares(before) + squares(after)) / degrees;
    let error = libm::sqrt(variance * (1.0 / numeric::count(m) + 1.0 / numeric::count(n)));
    let distance = numeric::mean(after) - numeric::mean(before);
    if distance == 0.0 {
        return 1.0;
    }
    student_beyond(distance / error, degrees)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;
    use proptest::prelude::*;

    /// Values around each level in turn.
    fn series(seed: u64, noise: f64, levels: &[(f64, usize)]) -> Vec<f64> {
        let mut random = Random::new(seed);
        levels
            .iter()
            .flat_map(|&(level, length)| std::iter::repeat_n(level, length))
            .map(|level| level * (1.0 + noise * random.normal()))
            .collect()
    }

    fn indices(series: &[f64], settings: &ChangeSettings) -> Vec<usize> {
        let found = changes(series, settings).expect("finite");
        found.iter().map(|point| point.index).collect()
    }

    #[test]
    fn steps_are_found_where_they_are() {
        let usual = ChangeSettings::default();
        for (levels, expected) in [
            (&[(100.0, 40)][..], &[][..]),
            (&[(100.0, 20), (110.0, 20)], &[20]),
            (&[(100.0, 20), (110.0, 6), (100.0, 20)], &[20, 26]),
            (&[(100.0, 100), (105.0, 100), (95.0, 3)], &[100, 200]),
            (&[(100.0, 3)], &[]),
            (&[], &[]),
        ] {
            assert_eq!(
                indices(&series(1, 0.01, levels), &usual),
                expected,
                "{levels:?}"
            );
        }
    }

    #[test]
    fn without_noise_the_smallest_step_counts() {
        let points = changes(
            &series(1, 0.0, &[(100.0, 5), (100.1, 5)]),
            &ChangeSettings::default(),
        )
        .expect("finite");
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].index, 5);
        assert!((points[0].relative().expect("it was not 0") - 0.001).abs() < 1e-9);
        assert!(points[0].p_value < 1e-12);
    }

    #[test]
    fn changes_that_are_too_small_are_left_out() {
        let series = series(2, 0.002, &[(100.0, 30), (101.0, 30), (120.0, 30)]);
        let only_large = ChangeSettings {
            least: 0.05,
            ..ChangeSettings::default()
        };
        assert_eq!(indices(&series, &ChangeSettings::default()), [30, 60]);
        assert_eq!(indices(&series, &only_large), [60]);
    }

    #[test]
    fn noise_alone_seldom_changes() {
        let found = (0..100)
            .filter(|&seed| {
                let series = series(seed, 0.02, &[(100.0, 60)]);
                !indices(&series, &ChangeSettings::default()).is_empty()
            })
            .count();
        assert!(found <= 10, "{found} of 100");
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let error = changes(&[1.0, f64::NAN], &ChangeSettings::default()).expect_err("NaN");
        assert_eq!(
            error.to_string(),
            "result 2 of the series is NaN, which is no measurement; leave it out"
        );
    }

    proptest! {
        #[test]
        fn points_are_ascending_and_significant(
            series in prop::collection::vec(0.5_f64..2.0, 0..150),
            window in 0_usize..80,
        ) {
            let settings = ChangeSettings { window, p_value: 0.01, least: 0.1 };
            let found = changes(&series, &settings).expect("finite");
            for pair in found.windows(2) {
                prop_assert!(pair[0].index < pair[1].index);
            }
            for point in &found {
                prop_assert!(point.index > 0 && point.index < series.len());
                prop_assert!(point.relative().is_none_or(|relative| relative.abs() >= settings.least));
            }
        }
    }
}
