//! Bencher Metric Format: benchmark → measure → `value`, `lower_value`, `upper_value`. See
//! <https://bencher.dev/docs/reference/bencher-metric-format/>.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report, THROUGHPUT};

#[derive(Debug, Deserialize)]
struct Metric {
    value: f64,
    lower_value: Option<f64>,
    upper_value: Option<f64>,
}

/// Whether a document has the format's shape.
pub(crate) fn is(document: &Value) -> bool {
    let Some(benchmarks) = document.as_object() else {
        return false;
    };
    let has_value = |metric: &Value| metric.get("value").is_some_and(Value::is_number);
    let of_metrics = |measures: &Value| {
        let measures = measures.as_object();
        measures.is_some_and(|measures| !measures.is_empty() && measures.values().all(has_value))
    };
    !benchmarks.is_empty() && benchmarks.values().all(of_metrics)
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let document: BTreeMap<String, BTreeMap<String, Metric>> = json(Adapter::Bencher, text)?;
    let mut report = Report::default();
    for (benchmark, measures) in &document {
        for (measure, metric) in measures {
            let bounds = match (metric.lower_value, metric.upper_value) {
                (None, None) => None,
                (low, high) => Some(Bounds {
                    low: low.unwrap_or(metric.value),
                    high: high.unwrap_or(metric.value),
                }),
            };
            report.add_bounded(benchmark, measure, unit(measure), metric.value, bounds)?;
        }
    }
    Ok(report)
}

/// The format leaves units to the measures; these are the ones that Bencher has from the outset.
fn unit(measure: &str) -> &'static str {
    match measure {
        LATENCY => "ns",
        THROUGHPUT => "operations/s",
        "build-time" => "s",
        "file-size" => "B",
        _ => "",
    }
}
