//! What results hold, without what was written.

use serde::{Deserialize, Serialize};

/// What an iteration produced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Iteration {
    /// The command's exit code.
    pub exit_code: i32,
    /// Bytes of its standard output.
    pub stdout: u64,
    /// Bytes of its standard error.
    pub stderr: u64,
    /// Files that were collected.
    pub files: Vec<File>,
    /// Metrics that the runner measured, in Bencher Metric Format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub metrics: Option<serde_json::Value>,
}

/// A file that was collected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct File {
    /// Its path in the image, as the runner tells it: a name, and no place on any machine.
    pub path: String,
    /// Its length in bytes.
    pub bytes: u64,
}
