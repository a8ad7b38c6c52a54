//! Google Benchmark's JSON, <https://github.com/google/benchmark/blob/main/docs/user_guide.md>.
//!
//! Repetitions are samples; aggregates of them are left out, unless there is nothing else
//! (`--benchmark_report_aggregates_only`): then the median or else the mean stands for them.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{LATENCY, Report, THROUGHPUT, short};
use crate::units::{NANOSECONDS, nanoseconds};

#[derive(Debug, Deserialize)]
struct Document {
    benchmarks: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
struct Entry {
    name: String,
    run_name: Option<String>,
    run_type: Option<String>,
    aggregate_name: Option<String>,
    real_time: Option<f64>,
    cpu_time: Option<f64>,
    #[serde(default = "nanoseconds_by_default")]
    time_unit: String,
    #[serde(default)]
    error_occurred: bool,
    #[serde(default)]
    error_message: String,
    /// The rest: throughputs, and counters of the benchmark's own, among other things.
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

fn nanoseconds_by_default() -> String {
    NANOSECONDS.to_owned()
}

/// What is no counter of the benchmark's own.
const DESCRIPTION: [&str; 8] = [
    "family_index",
    "per_family_instance_index",
    "repetitions",
    "repetition_index",
    "threads",
    "iterations",
    "aggregate_unit",
    "label",
];

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let document: Document = json(Adapter::GoogleBenchmark, text)?;
    let mut report = Report::default();
    let runs = &document.benchmarks;
    if let Some(failed) = runs.iter().find(|run| run.error_occurred) {
        return Err(AdapterError::Failed {
            benchmark: short(failed.name()),
            reason: short(&failed.error_message),
        });
    }
    for run in runs.iter().filter(|run| !run.is_aggregate()) {
        run.add_to(&mut report)?;
    }
    for center in ["median", "mean"] {
        let mut aggregates = Report::default();
        for run in runs
            .iter()
            .filter(|run| run.aggregate_name.as_deref() == Some(center))
        {
            if !report.benchmarks().contains_key(run.name()) {
                run.add_to(&mut aggregates)?;
            }
        }
        for (benchmark, measures) in aggregates.benchmarks() {
            for (measure, metric) in measures {
                for &value in &metric.values {
                    report.add(benchmark, measure, &metric.unit, value)?;
                }
            }
        }
    }
    Ok(report)
}

impl Entry {
    fn name(&self) -> &str {
        self.run_name.as_ref().unwrap_or(&self.name)
    }

    fn is_aggregate(&self) -> bool {
        self.run_type.as_deref() == Some("aggregate") || self.aggregate_name.is_some()
    }

    fn add_to(&self, report: &mut Report) -> Result<(), AdapterError> {
        let name = self.name();
        let factor = nanoseconds(&self.time_unit).ok_or_else(|| AdapterError::Unit {
            adapter: Adapter::GoogleBenchmark,
            benchmark: short(name),
            measure: LATENCY.to_owned(),
            unit: short(&self.time_unit),
        })?;
        for (measure, time) in [(LATENCY, self.real_time), ("cpu-time", self.cpu_time)] {
            if let Some(time) = time {
                report.add(name, measure, NANOSECONDS, time * factor)?;
            }
        }
        for (counter, value) in &self.rest {
            let Some(value) = value
                .as_f64()
                .filter(|_| !DESCRIPTION.contains(&counter.as_str()))
            else {
                continue;
            };
            match counter.as_str() {
                "items_per_second" => report.add(name, THROUGHPUT, "items/s", value)?,
                "bytes_per_second" => report.add(name, "bandwidth", "B/s", value)?,
                own => report.add(name, own, "", value)?,
            }
        }
        Ok(())
    }
}
