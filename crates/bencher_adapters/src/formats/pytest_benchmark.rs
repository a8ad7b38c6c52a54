//! pytest-benchmark's JSON (`--benchmark-json`), <https://pytest-benchmark.readthedocs.io>.
//!
//! Each round is a sample: its time divided by its iterations, in seconds.

use serde::Deserialize;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report};
use crate::units::NANOSECONDS;

#[derive(Debug, Deserialize)]
struct Document {
    benchmarks: Vec<Benchmark>,
}

#[derive(Debug, Deserialize)]
struct Benchmark {
    fullname: String,
    stats: Stats,
}

#[derive(Debug, Deserialize)]
struct Stats {
    median: f64,
    min: f64,
    max: f64,
    /// Not with `--benchmark-disable-saving-data`, nor in what is compared.
    data: Option<Vec<f64>>,
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let document: Document = json(Adapter::PytestBenchmark, text)?;
    let mut report = Report::default();
    for Benchmark { fullname, stats } in &document.benchmarks {
        match &stats.data {
            Some(data) if !data.is_empty() => {
                for time in data {
                    report.add(fullname, LATENCY, NANOSECONDS, time * 1e9)?;
                }
            }
            _ => {
                let bounds = Some(Bounds {
                    low: stats.min * 1e9,
                    high: stats.max * 1e9,
                });
                report.add_bounded(fullname, LATENCY, NANOSECONDS, stats.median * 1e9, bounds)?;
            }
        }
    }
    Ok(report)
}
