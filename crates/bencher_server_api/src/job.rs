//! Jobs.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Iteration, Measured, Waiting};

/// A job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Job {
    /// Its identifier: a UUID.
    pub id: String,
    /// The identifier of its project.
    pub project: String,
    /// The project's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project_slug: Option<String>,
    /// The identifier of what it must run on.
    pub spec: String,
    /// The spec's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec_slug: Option<String>,
    /// `pending`, `claimed`, `running`, `completed`, `processed`, `failed` or `canceled`.
    pub state: String,
    /// Why it failed or was canceled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What its runner says went wrong; of a job that waits, why it could not be given to a runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The higher, the sooner.
    pub priority: u8,
    /// Seconds that it may run, all iterations together.
    pub timeout: u32,
    /// What is run, as the runner gets it.
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub config: Value,
    /// Its place in a comparison.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Side>,
    /// Who has or had it: an identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// The runner's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_slug: Option<String>,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// The trace of the request that submitted it, by which its logs and its spans are found: the trace
    /// identifier of W3C Trace Context, 32 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Why it waits; only where one job that does is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// What its results hold, once they have been read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Vec<Iteration>>,
    /// How it was measured, if its runner has said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// A job's place in a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Side {
    /// The comparison's identifier.
    pub comparison: String,
    /// Which of the things compared it is, from 0.
    pub side: u32,
    /// When it comes, from 0.
    pub position: u32,
}
