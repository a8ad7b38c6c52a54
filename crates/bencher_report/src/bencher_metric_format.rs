//! Results in Bencher Metric Format: an object of benchmarks, each with its measures.
//!
//! ```json
//! {"sort": {"latency": {"value": 12000000.0, "lower_value": 11900000.0, "upper_value": 12100000.0}}}
//! ```
//!
//! Values are means, bounds those of their 95 % interval, or those that a harness gave. The wall time is the
//! measure `latency`, in nanoseconds; other metrics keep their names, times in nanoseconds, sizes in bytes.
//! Benchmarks of a harness are ones of their own, with the harness's measures.

use std::collections::BTreeMap;

use bencher_runner::result::{Harness, HarnessMetric, Iteration, Metric, MetricName};
use bencher_statistics::{Settings, Summary, estimate};
use serde::Serialize;
use thiserror::Error;

use crate::comparison::Input;
use crate::samples;

/// Benchmarks by name, with their measures by name.
pub type Benchmarks = BTreeMap<String, BTreeMap<String, Measure>>;

/// A measure of a benchmark.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measure {
    /// The mean.
    pub value: f64,
    /// The lower end of its interval.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lower_value: Option<f64>,
    /// The upper end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upper_value: Option<f64>,
}

/// Why results can not be exported.
#[derive(Debug, Error)]
pub enum ExportError {
    /// One has nothing to export.
    #[error("{name} has no iteration that ended well: there is nothing to export")]
    Nothing {
        /// The benchmark.
        name: String,
    },
    /// Two benchmarks have the same name.
    #[error(
        "two benchmarks are called {name}: --name or `runner run --label` tells results apart; those with the \
         same benchmarks of a harness are exported one by one"
    )]
    Twice {
        /// The name.
        name: String,
    },
}

/// The measures of `results`, which are benchmarks with their labels as names.
///
/// # Errors
///
/// When a result has nothing to export, and when two have the same name.
pub fn bencher_metric_format(results: &[Input]) -> Result<Benchmarks, ExportError> {
    let mut benchmarks = Benchmarks::new();
    for input in results {
        let name = input.label.clone();
        let measures = measures(input);
        if measures.is_empty() {
            return Err(ExportError::Nothing { name });
        }
        let of_harness = of_harness(&input.result.iterations.0);
        for (name, measures) in std::iter::once((name, measures)).chain(of_harness) {
            if benchmarks.insert(name.clone(), measures).is_some() {
                return Err(ExportError::Twice { name });
            }
        }
    }
    Ok(benchmarks)
}

fn measures(input: &Input) -> BTreeMap<String, Measure> {
    let iterations = &input.result.iterations.0;
    let named = |metric: Metric| {
        let measure = measure(&metric.into(), iterations)?;
        Some((slug(metric).to_owned(), measure))
    };
    Metric::ALL.into_iter().filter_map(named).collect()
}

fn measure(metric: &MetricName, iterations: &[Iteration]) -> Option<Measure> {
    let samples = samples::of_result(metric, iterations)?;
    let interval = estimate(&samples, &Settings::default()).ok();
    Some(Measure {
        value: Summary::of(&samples).mean,
        lower_value: interval.map(|interval| interval.low),
        upper_value: interval.map(|interval| interval.high),
    })
}

/// The benchmarks of a harness. Of a single value without an interval the bounds are the harness's.
fn of_harness(iterations: &[Iteration]) -> Benchmarks {
    let counting = iterations.iter().filter(|iteration| iteration.counts());
    let harnesses = counting.filter_map(|iteration| iteration.harness.as_ref());
    let mut benchmarks = Benchmarks::new();
    for metric in harnesses.flat_map(|harness: &Harness| &harness.metrics) {
        let HarnessMetric {
            benchmark,
            measure: name,
            ..
        } = metric;
        let measures = benchmarks.entry(benchmark.clone()).or_default();
        if measures.contains_key(name) {
            continue;
        }
        if let Some(mut found) = measure(&MetricName::Harness(metric.name()), iterations) {
            if found.lower_value.is_none() {
                (found.lower_value, found.upper_value) = (metric.low, metric.high);
            }
            measures.insert(name.clone(), found);
        }
    }
    benchmarks
}

/// The name of a metric's measure.
fn slug(metric: Metric) -> &'static str {
    match metric {
        Metric::Wall => "latency",
        other => other.name(),
    }
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::Better;

    use super::*;
    use crate::samples::tests::{harness_metric, input, of_harness};

    #[test]
    fn means_have_bounds_unless_there_is_one_value() {
        let found = bencher_metric_format(&[input("sort", &[90, 100, 110]), input("one", &[7])]);
        let found = found.expect("there is something");
        let latency = found["sort"]["latency"];
        assert!((latency.value - 100.0).abs() < 1e-9);
        assert!(latency.lower_value.is_some_and(|low| low < 100.0));
        assert!(latency.upper_value.is_some_and(|high| high > 100.0));
        assert!((found["sort"]["rss"].value - 1_048_576.0).abs() < 1e-9);
        assert!(!found["sort"].contains_key("cycles"));
        assert_eq!(
            serde_json::to_string(&found["one"]["latency"]).expect("it is JSON"),
            r#"{"value":7.0}"#
        );
    }

    #[test]
    fn benchmarks_of_a_harness_have_names_and_measures_of_their_own() {
        let time = ("latency", "ns", Better::Lower);
        let rate = ("throughput", "MB/s", Better::Higher);
        let mut bounded = harness_metric("sort/1", rate, &[70.0]);
        (bounded.low, bounded.high) = (Some(60.0), Some(90.0));
        let metrics = vec![
            harness_metric("sort/1", time, &[4.0, 5.0, 6.0, 5.0]),
            bounded,
        ];
        let result = of_harness("run", &[metrics]);
        let found = bencher_metric_format(std::slice::from_ref(&result)).expect("it is one");
        assert_eq!(found.keys().collect::<Vec<_>>(), ["run", "sort/1"]);
        let latency = found["sort/1"]["latency"];
        assert!((latency.value - 5.0).abs() < 1e-9);
        assert!(
            latency
                .lower_value
                .is_some_and(|low| low > 3.0 && low < 5.0)
        );
        let throughput = found["sort/1"]["throughput"];
        assert_eq!(
            (throughput.lower_value, throughput.upper_value),
            (Some(60.0), Some(90.0))
        );
        let mut other = result.clone();
        other.label = "other".to_owned();
        let error = bencher_metric_format(&[result, other]).expect_err("twice");
        assert!(
            error
                .to_string()
                .starts_with("two benchmarks are called sort/1:"),
            "{error}"
        );
    }

    #[test]
    fn names_are_told_apart_and_nothing_is_no_export() {
        let twice = bencher_metric_format(&[input("a", &[1, 2]), input("a", &[1, 2])]);
        assert!(matches!(twice, Err(ExportError::Twice { .. })));
        let nothing = bencher_metric_format(&[input("a", &[])]);
        assert!(matches!(nothing, Err(ExportError::Nothing { .. })));
    }
}
