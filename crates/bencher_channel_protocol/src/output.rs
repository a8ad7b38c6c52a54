//! What an iteration produced.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::results;

/// The key in [`IterationOutput::output`] that no file can have: under it are the metrics that the
/// runner measured, in Bencher Metric Format (JSON).
pub const RESERVED_OUTPUT: &str = "\0bencher";

/// What an iteration produced.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IterationOutput {
    /// The command's exit code.
    pub exit_code: i32,
    /// What it wrote to its standard output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout: Option<String>,
    /// What it wrote to its standard error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stderr: Option<String>,
    /// The contents of the collected files by their paths, and what is under [`RESERVED_OUTPUT`].
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "results::files"
    )]
    pub output: Option<BTreeMap<String, String>>,
}
