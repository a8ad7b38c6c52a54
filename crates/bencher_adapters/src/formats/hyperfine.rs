//! hyperfine's JSON (`--export-json`), <https://github.com/sharkdp/hyperfine>. Times are in seconds.

use serde::Deserialize;

use super::json;
use crate::adapter::Adapter;
use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report};
use crate::units::NANOSECONDS;

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
        match &result.times {
            Some(times) if !times.is_empty() => {
                for time in times {
                    report.add(name, LATENCY, NANOSECONDS, time * 1e9)?;
                }
            }
            _ => {
                let bounds = Some(Bounds {
                    low: result.min * 1e9,
                    high: result.max * 1e9,
                });
                report.add_bounded(name, LATENCY, NANOSECONDS, result.median * 1e9, bounds)?;
            }
        }
        // Means over all runs.
        for (measure, time) in [("user-time", result.user), ("system-time", result.system)] {
            if let Some(time) = time {
                report.add(name, measure, NANOSECONDS, time * 1e9)?;
            }
        }
    }
    Ok(report)
}
