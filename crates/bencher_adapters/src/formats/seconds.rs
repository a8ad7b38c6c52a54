//! Times in seconds, as harnesses keep them in JSON.

use crate::error::AdapterError;
use crate::report::{Bounds, LATENCY, Report};
use crate::units::{NANOSECONDS, SECOND};

/// The times of a benchmark in seconds.
#[derive(Debug)]
pub(crate) struct Seconds<'a> {
    /// Each of them, where they were kept.
    pub(crate) each: Option<&'a [f64]>,
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

impl Seconds<'_> {
    /// Adds each time as a sample, or their median between the extremes where they were not kept.
    pub(crate) fn add_to(&self, report: &mut Report, benchmark: &str) -> Result<(), AdapterError> {
        match self.each {
            Some(times) if !times.is_empty() => times
                .iter()
                .try_for_each(|time| report.add(benchmark, LATENCY, NANOSECONDS, time * SECOND)),
            _ => {
                let bounds = Some(Bounds {
                    low: self.least * SECOND,
                    high: self.greatest * SECOND,
                });
                let median = self.median * SECOND;
                report.add_bounded(benchmark, LATENCY, NANOSECONDS, median, bounds)
            }
        }
    }
}
