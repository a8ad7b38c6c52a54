//! From iterations to samples: which values of which iterations are compared.

use bencher_runner::result::{Iteration, Metric};
use bencher_statistics::{Order, Samples, suspects};

use crate::comparison::{Measurements, Point, Summary, TimeDependence};

/// The iterations of one side that stand for a round: those to warm up and those that another one
/// replaced are left out. What is left of a round is one iteration, failed or not.
pub(crate) fn rounds(iterations: &[Iteration]) -> Vec<&Iteration> {
    iterations
        .iter()
        .filter(|iteration| !iteration.warmup && !iteration.retried)
        .collect()
}

/// Rounds of both sides in which both iterations ended well, with their orders.
pub(crate) fn pairs<'a>(
    baseline: &'a [Iteration],
    candidate: &'a [Iteration],
    orders: &[Order],
) -> ([Vec<&'a Iteration>; 2], Vec<Order>) {
    let mut sides = [Vec::new(), Vec::new()];
    let mut kept = Vec::new();
    let rounds = rounds(baseline).into_iter().zip(rounds(candidate));
    for ((one, other), &order) in rounds.zip(orders) {
        if one.counts() && other.counts() {
            sides[0].push(one);
            sides[1].push(other);
            kept.push(order);
        }
    }
    (sides, kept)
}

/// Whether events were counted.
pub(crate) fn have_counters(iterations: &[Iteration]) -> bool {
    let mut all = iterations.iter();
    all.any(|iteration| iteration.perf_counters.is_some())
}

/// The values of `metric` in `iterations`. Iterations without one have no point.
pub(crate) fn measurements(metric: Metric, iterations: &[&Iteration]) -> Measurements {
    let mut points: Vec<Point> = iterations
        .iter()
        .filter_map(|iteration| {
            Some(Point {
                iteration: iteration.index,
                value: metric.of(iteration)?,
                suspect: iteration.suspicions(),
                outlier: false,
            })
        })
        .collect();
    let Some(samples) = samples(&points) else {
        return Measurements::default();
    };
    for suspect in suspects(&samples) {
        points[suspect.invocation].outlier = true;
    }
    let summary = Summary::from(&bencher_statistics::Summary::of(&samples));
    Measurements {
        points,
        summary: Some(summary),
        time: TimeDependence::of(&samples.values()),
    }
}

/// The values of `points`, one invocation each; `None` of none.
pub(crate) fn samples(points: &[Point]) -> Option<Samples> {
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    Samples::of_invocations(&values).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use bencher_runner::result::{EndedBy, Iterations, Resources, ResultDocument, parse};
    use bencher_statistics::Plan;

    use super::*;
    use crate::comparison::{Input, Options};

    /// A document with iterations that took these times in nanoseconds.
    pub(crate) fn document(wall: &[u64]) -> ResultDocument<Iterations> {
        const RESULT: &str = include_str!("../../bencher_runner/tests/data/result-1.json");
        let mut document = parse(Path::new("result.json"), RESULT.as_bytes()).expect("it is one");
        let iterations = (1..).zip(wall).map(|(index, &wall)| iteration(index, wall));
        document.iterations = Iterations(iterations.collect());
        document
    }

    /// A side that was run for the comparison.
    pub(crate) fn input(label: &str, wall: &[u64]) -> Input {
        Input {
            label: label.to_owned(),
            file: None,
            result: document(wall),
        }
    }

    /// What is asked of so many pairs.
    pub(crate) fn options(pairs: usize) -> Options {
        Options {
            metrics: Vec::new(),
            interleaved: Some((Plan::new(7).take(pairs).collect(), 7)),
            interest: None,
            threshold: None,
            force: false,
            precision: None,
        }
    }

    /// An iteration that took this time, and as many bytes.
    pub(crate) fn iteration(index: u32, wall_ns: u64) -> Iteration {
        Iteration {
            index,
            resources: Some(Resources {
                wall_ns,
                cpu_us: Some(wall_ns / 2000),
                max_rss_bytes: 1 << 20,
                ..Resources::default()
            }),
            ..Iteration::default()
        }
    }

    #[test]
    fn pairs_are_those_of_which_both_ended_well() {
        use Order::{BaselineFirst as A, CandidateFirst as B};
        let mut baseline: Vec<_> = (1..=5).map(|index| iteration(index, 10)).collect();
        let mut candidate: Vec<_> = (1..=6).map(|index| iteration(index, 20)).collect();
        baseline[0].warmup = true;
        candidate[0].warmup = true;
        candidate[2].retried = true;
        baseline[3].ended_by = EndedBy::Timeout;
        let ([one, other], orders) = pairs(&baseline, &candidate, &[A, B, B, A]);
        let indices = |side: &[&Iteration]| side.iter().map(|one| one.index).collect::<Vec<_>>();
        assert_eq!(indices(&one), [2, 3, 5]);
        assert_eq!(indices(&other), [2, 4, 6]);
        assert_eq!(orders, [A, B, A]);
    }

    #[test]
    fn outliers_are_marked_and_kept() {
        let iterations: Vec<_> = [10, 11, 10, 12, 11, 10, 99]
            .into_iter()
            .map(|wall| iteration(1, wall))
            .collect();
        let references: Vec<_> = iterations.iter().collect();
        let found = measurements(Metric::Wall, &references);
        let marked: Vec<_> = found.points.iter().map(|point| point.outlier).collect();
        assert_eq!(marked, [false, false, false, false, false, false, true]);
        assert!(found.summary.is_some_and(|summary| summary.greatest > 98.0));
        let missing = measurements(Metric::Cycles, &references);
        assert!(missing.points.is_empty() && missing.summary.is_none());
    }
}
