//! Output while a job runs: see [the extension](crate#live-output).

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where the command wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of what the command wrote. Pieces may be lost with a connection: what counts is in the
/// terminal message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiveOutput {
    /// The job.
    pub job: Uuid,
    /// The iteration, from 0.
    pub iteration: u32,
    /// Where the command wrote it.
    pub stream: OutputStream,
    /// What it wrote; what was not UTF-8 is replaced by U+FFFD.
    pub text: String,
}
