//! What is known of a metric that a harness measured: it is in the results, and nowhere else.

use std::collections::BTreeSet;

use bencher_runner::result::{Better, HarnessMetric, Iteration, Metric, MetricName};
use bencher_statistics as statistics;

use crate::comparison::MetricComparison;
use crate::unit::MetricUnit;

/// What makes a metric of a harness measured.
pub(super) const HINT: &str =
    ": metrics of a harness are those that --adapter finds in what it prints or writes";

/// What a metric is like.
pub(super) struct Kind {
    pub(super) unit: MetricUnit,
    pub(super) better: Better,
    /// Why its values can not be compared.
    pub(super) problem: Option<String>,
}

/// The names of all metrics that a harness measured on a side.
pub(super) fn names(used: &[Vec<&Iteration>; 2]) -> Vec<MetricName> {
    let harnesses = used.iter().flatten().filter_map(|one| one.harness.as_ref());
    let metrics = harnesses.flat_map(|harness| &harness.metrics);
    let names: BTreeSet<String> = metrics.map(HarnessMetric::name).collect();
    names.into_iter().map(MetricName::Harness).collect()
}

/// What `metric` is like in what is `used` of both sides. Of the runner's own ones less is better.
pub(super) fn kind(metric: &MetricName, used: &[Vec<&Iteration>; 2]) -> Kind {
    let all: Vec<&Iteration> = used.iter().flatten().copied().collect();
    let (unit, problem) = match MetricUnit::of(metric, &all) {
        Ok(unit) => (unit, None),
        Err([one, other]) => (
            MetricUnit::Other(String::new()),
            Some(format!(
                "it is in {one:?} and in {other:?}: let the harness measure it in one unit"
            )),
        ),
    };
    let better = match metric {
        MetricName::Runner(_) => None,
        MetricName::Harness(name) => all
            .iter()
            .find_map(|one| one.harness.as_ref()?.metric(name))
            .map(|metric| metric.better),
    };
    Kind {
        unit,
        better: better.unwrap_or(Better::Lower),
        problem,
    }
}

/// The names of the metrics that decide of a threshold when none is named: those of the harness that have an
/// answer, else the first of them, else the wall time.
pub(super) fn deciding(metrics: &[MetricComparison]) -> Vec<String> {
    let of_harness = metrics.iter().filter(|metric| is_of_harness(&metric.name));
    let of_harness: Vec<_> = of_harness.collect();
    let answered: Vec<_> = of_harness
        .iter()
        .filter(|metric| metric.answer.is_some())
        .map(|metric| metric.name.clone())
        .collect();
    match of_harness.first() {
        Some(first) if answered.is_empty() => vec![first.name.clone()],
        Some(_) => answered,
        None => vec![Metric::Wall.name().to_owned()],
    }
}

fn is_of_harness(name: &str) -> bool {
    name.parse()
        .is_ok_and(|name: MetricName| name.is_of_harness())
}

/// `settings` for a metric of which these values are better.
pub(super) fn directed(settings: &statistics::Settings, better: Better) -> statistics::Settings {
    statistics::Settings {
        better: match better {
            Better::Lower => statistics::Better::Lower,
            Better::Higher => statistics::Better::Higher,
        },
        ..*settings
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::comparison::{Comparison, Levels, Method, Options, Threshold, Verdict, compare};
    use crate::samples::tests::{harness_metric, of_harness, options};

    const TIME: (&str, &str, Better) = ("latency", "ns", Better::Lower);
    const RATE: (&str, &str, Better) = ("throughput", "MB/s", Better::Higher);

    /// Iterations in each of which a harness took samples, `factor` times as long as usual, and a little noise.
    fn iterations(factor: f64) -> Vec<Vec<HarnessMetric>> {
        let means = [100.0, 101.0, 99.5, 100.5, 99.0, 100.2, 100.8, 99.9];
        let noise =
            [0.3, -0.2, 0.0, 0.4, -0.3, 0.1, 0.2, -0.1].map(|noise| (factor - 1.0) * 5.0 * noise);
        means
            .iter()
            .zip(noise)
            .map(|(mean, noise)| {
                let samples = [-3.0, 1.0, 2.0].map(|sample| (mean + sample) * factor + noise);
                vec![
                    harness_metric("sort", TIME, &samples),
                    harness_metric("sort", RATE, &samples.map(|value| 1e6 / value)),
                ]
            })
            .collect()
    }

    fn compared(factor: f64, options: &Options) -> Comparison {
        let sides = [
            of_harness("old", &iterations(1.0)),
            of_harness("new", &iterations(factor)),
        ];
        compare(&sides[0], &sides[1], options).expect("it is one")
    }

    fn metric<'a>(comparison: &'a Comparison, name: &str) -> &'a MetricComparison {
        let mut metrics = comparison.metrics.iter();
        metrics
            .find(|metric| metric.name == name)
            .expect("it is there")
    }

    #[test]
    fn metrics_of_a_harness_stand_beside_the_usual_ones_and_rates_are_to_be_high() {
        let found = compared(1.1, &options(8));
        let names: Vec<_> = found
            .metrics
            .iter()
            .map(|metric| metric.name.as_str())
            .collect();
        assert_eq!(
            names,
            ["wall", "cpu", "rss", "sort/latency", "sort/throughput"]
        );
        for (name, unit, ratio) in [
            ("sort/latency", "nanoseconds", 1.1),
            ("sort/throughput", "MB/s", 1.0 / 1.1),
        ] {
            let metric = metric(&found, name);
            assert_eq!(metric.unit.name(), unit);
            let answer = metric.answer.expect("there is one");
            assert_eq!(answer.verdict, Verdict::Slower, "{name}");
            assert!((answer.ratio.value - ratio).abs() < 0.01, "{name}");
            assert_eq!(answer.method, Method::Paired);
        }
        let faster = compared(0.9, &options(8));
        for name in ["sort/latency", "sort/throughput"] {
            let answer = metric(&faster, name).answer.expect("there is one");
            assert_eq!(answer.verdict, Verdict::Faster, "{name}");
        }
    }

    #[test]
    fn samples_are_drawn_inside_iterations_if_asked_for() {
        let width = |levels| {
            let asked = Options {
                levels,
                ..options(8)
            };
            let found = compared(1.1, &asked);
            assert_eq!(found.settings.levels, levels);
            let ratio = metric(&found, "sort/latency")
                .answer
                .expect("there is one")
                .ratio;
            ratio.high - ratio.low
        };
        let (iterations, both) = (width(Levels::Iterations), width(Levels::Both));
        assert!(both > 1.3 * iterations, "{iterations} {both}");
    }

    #[test]
    fn one_iteration_of_each_side_is_enough_where_it_has_samples() {
        let samples = |shift: f64| -> Vec<f64> {
            (0..40)
                .map(|index| 100.0 + shift + f64::from(index % 7))
                .collect()
        };
        let side = |label: &str, shift| {
            of_harness(
                label,
                &[vec![harness_metric("sort", TIME, &samples(shift))]],
            )
        };
        for interleaved in [None, options(1).interleaved] {
            let asked = Options {
                interleaved,
                ..options(1)
            };
            let found = compare(&side("old", 0.0), &side("new", 20.0), &asked).expect("it is one");
            let answer = metric(&found, "sort/latency").answer.expect("there is one");
            assert_eq!(answer.method, Method::WithinInvocation);
            assert_eq!(answer.verdict, Verdict::Slower);
            assert!(metric(&found, "wall").answer.is_none());
        }
    }

    #[test]
    fn what_can_not_be_compared_is_said() {
        let with = |label: &str, kind, name: &str| {
            let metric = || vec![harness_metric(name, kind, &[5.0])];
            of_harness(label, &[metric(), metric(), metric()])
        };
        let ticks = ("latency", "ticks", Better::Lower);
        let baseline = with("old", TIME, "sort");
        let problem = |candidate, name: &str| {
            let found = compare(&baseline, &candidate, &options(3)).expect("it is one");
            metric(&found, name).problem.clone().expect("there is one")
        };
        assert_eq!(
            problem(with("new", ticks, "sort"), "sort/latency"),
            "it is in \"ns\" and in \"ticks\": let the harness measure it in one unit"
        );
        let other = || with("new", TIME, "find");
        let one = problem(other(), "sort/latency");
        assert!(
            one.starts_with("B did not measure sort/latency: metrics of a harness"),
            "{one}"
        );
        let one = problem(other(), "find/latency");
        assert!(one.starts_with("A did not measure find/latency"), "{one}");
    }

    #[test]
    fn a_threshold_is_decided_by_the_harness_unless_a_metric_is_named() {
        let asked = |metrics: &[&str]| Options {
            metrics: metrics
                .iter()
                .map(|name| name.parse().expect("it is one"))
                .collect(),
            threshold: Some(Threshold(0.03)),
            ..options(8)
        };
        let gate = |metrics: &[&str]| {
            compared(1.1, &asked(metrics))
                .gate
                .expect("it was asked for")
        };
        assert_eq!(gate(&[]).failed, ["sort/latency", "sort/throughput"]);
        assert_eq!(gate(&["sort/throughput"]).failed, ["sort/throughput"]);
        assert!(gate(&["wall"]).passed());
        let one_sided = [of_harness("old", &iterations(1.0)), of_harness("new", &[])];
        assert!(compare(&one_sided[0], &one_sided[1], &asked(&[])).is_err());
    }
}
