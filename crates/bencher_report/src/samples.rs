//! From iterations to samples: which values of which iterations are compared.

use std::borrow::Cow;

use bencher_runner::result::{Iteration, MetricName};
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
pub(crate) fn measurements(metric: &MetricName, iterations: &[&Iteration]) -> Measurements {
    let mut points: Vec<Point> = iterations
        .iter()
        .filter_map(|iteration| {
            let samples = metric.values(iteration)?;
            Some(Point {
                iteration: iteration.index,
                value: metric.of(iteration)?,
                samples: match samples.as_ref() {
                    [_] => Vec::new(),
                    several => several.to_vec(),
                },
                suspect: iteration.suspicions(),
                outlier: false,
            })
        })
        .collect();
    let Some(samples) = to_describe(&points) else {
        return Measurements::default();
    };
    let is_one = points.len() == 1;
    for suspect in suspects(&samples) {
        points[suspect.invocation].outlier = !is_one;
    }
    let summary = Summary::from(&bencher_statistics::Summary::of(&samples));
    Measurements {
        points,
        summary: Some(summary),
        time: TimeDependence::of(&samples.values()),
    }
}

/// The values of `points`, one invocation each, with the samples that were taken inside; `None` of none.
pub(crate) fn samples(points: &[Point]) -> Option<Samples> {
    let invocation = |point: &Point| match point.samples.as_slice() {
        [] => vec![point.value],
        samples => samples.to_vec(),
    };
    Samples::new(points.iter().map(invocation).collect()).ok()
}

/// What the values of `points` are described by: one for each iteration, as pictures show them; of a single
/// iteration its samples.
fn to_describe(points: &[Point]) -> Option<Samples> {
    if let [single] = points {
        return samples(std::slice::from_ref(single));
    }
    let values: Vec<f64> = points.iter().map(|point| point.value).collect();
    Samples::of_invocations(&values).ok()
}

/// The values of `metric` in all iterations of a result that count, one invocation each.
pub(crate) fn of_result(metric: &MetricName, iterations: &[Iteration]) -> Option<Samples> {
    let counting = iterations.iter().filter(|iteration| iteration.counts());
    let values = counting.filter_map(|iteration| metric.values(iteration));
    Samples::new(values.map(Cow::into_owned).collect()).ok()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::path::Path;

    use bencher_runner::result::{
        Better, EndedBy, Harness, HarnessMetric, Iterations, Metric, Resources, ResultDocument,
        parse,
    };
    use bencher_statistics::Plan;

    use super::*;
    use crate::comparison::{Input, Levels, Options};

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
            levels: Levels::default(),
            interleaved: Some((Plan::new(7).take(pairs).collect(), Some(7))),
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

    /// A metric of a harness.
    pub(crate) fn harness_metric(
        benchmark: &str,
        (measure, unit, better): (&str, &str, Better),
        values: &[f64],
    ) -> HarnessMetric {
        HarnessMetric {
            benchmark: benchmark.to_owned(),
            measure: measure.to_owned(),
            unit: unit.to_owned(),
            better,
            values: values.to_vec(),
            samples: u32::try_from(values.len()).expect("there are few"),
            low: None,
            high: None,
        }
    }

    /// A side whose iterations have these metrics of a harness.
    pub(crate) fn of_harness(label: &str, iterations: &[Vec<HarnessMetric>]) -> Input {
        let mut input = input(label, &vec![1000; iterations.len()]);
        for (iteration, metrics) in input.result.iterations.0.iter_mut().zip(iterations) {
            iteration.harness = Some(Harness {
                adapter: Some("lines".to_owned()),
                source: "stdout".to_owned(),
                metrics: metrics.clone(),
                error: None,
            });
        }
        input
    }

    #[test]
    fn samples_of_a_harness_are_the_lower_level() {
        let time = ("latency", "ns", Better::Lower);
        let metric: MetricName = "sort/latency".parse().expect("it is one");
        let input = of_harness(
            "a",
            &[
                vec![harness_metric("sort", time, &[4.0, 6.0])],
                vec![harness_metric("sort", time, &[8.0])],
            ],
        );
        let references: Vec<_> = input.result.iterations.0.iter().collect();
        let found = measurements(&metric, &references);
        let values: Vec<f64> = found.points.iter().map(|point| point.value).collect();
        assert_eq!(values, [5.0, 8.0]);
        let samples = samples(&found.points).expect("there are some");
        assert_eq!(samples.invocations(), [vec![4.0, 6.0], vec![8.0]]);
        let summary = found.summary.expect("there is one");
        assert_eq!((summary.least, summary.greatest), (5.0, 8.0));
        let one = measurements(&metric, &references[..1]);
        let summary = one.summary.expect("there is one");
        assert_eq!(
            (summary.least, summary.greatest),
            (4.0, 6.0),
            "of its samples"
        );
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
        let found = measurements(&Metric::Wall.into(), &references);
        let marked: Vec<_> = found.points.iter().map(|point| point.outlier).collect();
        assert_eq!(marked, [false, false, false, false, false, false, true]);
        assert!(found.summary.is_some_and(|summary| summary.greatest > 98.0));
        let missing = measurements(&Metric::Cycles.into(), &references);
        assert!(missing.points.is_empty() && missing.summary.is_none());
    }
}
