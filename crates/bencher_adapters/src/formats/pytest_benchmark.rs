//! pytest-benchmark's JSON (`--benchmark-json`), <https://pytest-benchmark.readthedocs.io>.
//!
//! Each round is a sample: its time divided by its iterations, in seconds.

use serde::Deserialize;

use super::json;
use super::seconds::Seconds;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::Report;

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
        let times = Seconds {
            each: stats.data.as_deref(),
            median: stats.median,
            least: stats.min,
            greatest: stats.max,
        };
        times.add_to(&mut report, fullname)?;
    }
    Ok(report)
}
