//! hyperfine's JSON (`--export-json`), <https://github.com/sharkdp/hyperfine>. Times are in seconds.

use serde::Deserialize;

use super::json;
use super::seconds::Seconds;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::Report;
use crate::units::{NANOSECONDS, SECOND};

#[derive(Debug, Deserialize)]
struct Document {
    results: Vec<Timing>,
}

#[derive(Debug, Deserialize)]
struct Timing {
    command: String,
    median: f64,
    min: f64,
    max: f64,
    user: Option<f64>,
    system: Option<f64>,
    times: Option<Vec<f64>>,
}

pub(crate) fn parse(text: &str) -> Result<Report, AdapterError> {
    let document: Document = json(Adapter::Hyperfine, text)?;
    let mut report = Report::default();
    for result in &document.results {
        let name = &result.command;
        let times = Seconds {
            each: result.times.as_deref(),
            median: result.median,
            least: result.min,
            greatest: result.max,
        };
        times.add_to(&mut report, name)?;
        // Means over all runs.
        for (measure, time) in [("user-time", result.user), ("system-time", result.system)] {
            if let Some(time) = time {
                report.add(name, measure, NANOSECONDS, time * SECOND)?;
            }
        }
    }
    Ok(report)
}
