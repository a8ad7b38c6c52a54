//! The history document.

use bencher_runner::result::{MetricName, RunnerIdentity};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::comparison::Interval;
use crate::unit::MetricUnit;

/// The version of this document's layout. Fields are added without a new version; a field that
/// changes its meaning or goes raises it.
pub const VERSION: u32 = 2;

/// What `runner history` found.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// The version of this document's layout.
    pub version: u32,
    /// The program that made this document.
    pub runner: RunnerIdentity,
    /// The metric.
    pub metric: MetricName,
    /// What its values count.
    pub unit: MetricUnit,
    /// A series for each command, in the order in which they were first run.
    pub series: Vec<Series>,
    /// The largest p-value of a change.
    pub p_value: f64,
    /// The smallest change that is told, as a share.
    pub least: f64,
    /// Whether results of different machines or clocks are in a series all the same.
    pub forced: bool,
}

/// The results of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The command and its arguments.
    pub command: Vec<String>,
    /// The name of its image, without tag and digest; absent where it has none, as a file.
    pub image: Option<String>,
    /// The results, by the time at which their runs began.
    pub results: Vec<Entry>,
    /// Where the series changed; none of fewer than four results.
    pub changes: Vec<Change>,
}

/// A result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// What people call it.
    pub label: String,
    /// The file that it came from.
    pub file: Option<String>,
    /// When its run began, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// Iterations that count.
    pub iterations: u32,
    /// Their mean.
    pub mean: f64,
    /// The 95 % interval of the mean; absent of a single iteration.
    pub interval: Option<Interval>,
}

/// A place where the series changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The place of the first result after the change, from 0.
    pub index: u32,
    /// What people call that result.
    pub label: String,
    /// What people call the one before it.
    pub last_before: String,
    /// The mean of the results since the change before.
    pub before: f64,
    /// The mean of the results until the next change.
    pub after: f64,
    /// How many times as large it became; absent where it was 0.
    pub ratio: Option<f64>,
    /// The p-value of Student's t-test between both.
    pub p_value: f64,
}
