//! Results in Bencher Metric Format: an object of benchmarks, each with its measures.
//!
//! ```json
//! {"sort": {"latency": {"value": 12000000.0, "lower_value": 11900000.0, "upper_value": 12100000.0}}}
//! ```
//!
//! Values are means, bounds those of their 95 % interval. The wall time is the measure `latency`, in
//! nanoseconds; other metrics keep their names, times in nanoseconds, sizes in bytes.

use std::collections::BTreeMap;

use bencher_runner::result::Metric;
use bencher_statistics::{Samples, Settings, Summary, estimate};
use serde::Serialize;
use thiserror::Error;

use crate::comparison::Input;

/// Benchmarks by name, with their measures by name.
pub type Benchmarks = BTreeMap<String, BTreeMap<&'static str, Measure>>;

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
    /// Two have the same name.
    #[error("two results are called {name}: --name or `runner run --label` tells them apart")]
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
        if benchmarks.insert(name.clone(), measures).is_some() {
            return Err(ExportError::Twice { name });
        }
    }
    Ok(benchmarks)
}

fn measures(input: &Input) -> BTreeMap<&'static str, Measure> {
    let iterations = &input.result.iterations.0;
    let measure = |metric: Metric| {
        let counting = iterations.iter().filter(|iteration| iteration.counts());
        let values: Vec<f64> = counting
            .filter_map(|iteration| metric.of(iteration))
            .collect();
        let samples = Samples::of_invocations(&values).ok()?;
        let interval = estimate(&samples, &Settings::default()).ok();
        Some(Measure {
            value: Summary::of(&samples).mean,
            lower_value: interval.map(|interval| interval.low),
            upper_value: interval.map(|interval| interval.high),
        })
    };
    let named = |metric: Metric| Some((slug(metric), measure(metric)?));
    Metric::ALL.into_iter().filter_map(named).collect()
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
    use super::*;
    use crate::samples::tests::input;

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
    fn names_are_told_apart_and_nothing_is_no_export() {
        let twice = bencher_metric_format(&[input("a", &[1, 2]), input("a", &[1, 2])]);
        assert!(matches!(twice, Err(ExportError::Twice { .. })));
        let nothing = bencher_metric_format(&[input("a", &[])]);
        assert!(matches!(nothing, Err(ExportError::Nothing { .. })));
    }
}
