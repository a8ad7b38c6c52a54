//! JMH's JSON (`-rf json`), <https://github.com/openjdk/jmh>.
//!
//! `rawData` has the iterations of each fork; of `SampleTime` `rawDataHistogram` has how often each time was
//! sampled in each of them, and their mean stands for the iteration. The mode and the parameters are a part of the name, since one
//! method is measured in several of them: `org.sample.Sorting.sort:mode=avgt,size=1000`. Scores are times
//! per operation or operations per time.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{LATENCY, Report, THROUGHPUT, short};
use crate::units::{DAY, HOUR, NANOSECONDS, nanoseconds};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    benchmark: String,
    mode: Option<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    primary_metric: Metric,
    #[serde(default)]
    secondary_metrics: BTreeMap<String, Metric>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metric {
    score: Number,
    score_unit: String,
    #[serde(default)]
    raw_data: Vec<Vec<Number>>,
    #[serde(default)]
    raw_data_histogram: Vec<Vec<Histogram>>,
}

/// Values, and how often each was measured.
#[derive(Debug, Deserialize)]
struct Histogram(Vec<(f64, f64)>);

impl Histogram {
    /// `None` of nothing.
    fn mean(&self) -> Option<f64> {
        let count: f64 = self.0.iter().map(|(_, count)| count).sum();
        let sum: f64 = self.0.iter().map(|(value, count)| value * count).sum();
        (count > 0.0).then(|| sum / count)
    }
}

/// JMH writes what is no number as a string.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Text(String),
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let entries: Vec<Entry> = json(Adapter::Jmh, text)?;
    let mut report = Report::default();
    for entry in &entries {
        let name = entry.name();
        entry.primary_metric.add_to(&mut report, &name, None)?;
        for (measure, metric) in &entry.secondary_metrics {
            metric.add_to(&mut report, &name, Some(measure))?;
        }
    }
    Ok(report)
}

impl Entry {
    /// `package.Class.method:mode=avgt,first=1,second=2`
    fn name(&self) -> String {
        let mode = self.mode.iter().map(|mode| format!("mode={mode}"));
        let parameters = self.params.iter();
        let parameters = parameters.map(|(key, value)| format!("{key}={value}"));
        let how: Vec<String> = mode.chain(parameters).collect();
        if how.is_empty() {
            self.benchmark.clone()
        } else {
            format!("{}:{}", self.benchmark, how.join(","))
        }
    }
}

impl Metric {
    fn add_to(
        &self,
        report: &mut Report,
        benchmark: &str,
        own: Option<&str>,
    ) -> Result<(), AdapterError> {
        let (measure, unit, factor) = kind(&self.score_unit);
        let measure = own.unwrap_or(measure);
        let mut add = |number: &Number| match number {
            Number::Finite(value) => report.add(benchmark, measure, unit, value * factor),
            Number::Text(text) => Err(AdapterError::Number {
                benchmark: short(benchmark),
                measure: short(measure),
                text: short(text),
            }),
        };
        let histograms = self.raw_data_histogram.iter().flatten();
        let means = histograms.filter_map(Histogram::mean).map(Number::Finite);
        let mut has_raw = false;
        for mean in means {
            add(&mean)?;
            has_raw = true;
        }
        for value in self.raw_data.iter().flatten() {
            add(value)?;
            has_raw = true;
        }
        if has_raw { Ok(()) } else { add(&self.score) }
    }
}

/// `us/op` is a time, `ops/us` a throughput; other units are of profilers.
fn kind(unit: &str) -> (&'static str, &str, f64) {
    let nanoseconds = |unit: &str| match unit {
        "hr" => Some(HOUR),
        "day" => Some(DAY),
        unit => nanoseconds(unit),
    };
    if let Some(factor) = unit.strip_suffix("/op").and_then(nanoseconds) {
        (LATENCY, NANOSECONDS, factor)
    } else if let Some(time) = unit.strip_prefix("ops/").and_then(nanoseconds) {
        (THROUGHPUT, "operations/s", 1e9 / time)
    } else {
        ("value", unit, 1.0)
    }
}
