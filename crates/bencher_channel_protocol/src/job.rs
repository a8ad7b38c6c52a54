//! A claimed job.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bounds::{self, BoundError, MAX_NAME_BYTES, MAX_TOKEN_BYTES};
use crate::{JobConfig, JobSpec, PullToken};

/// A job that the runner has claimed by asking.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Names the job.
    pub uuid: Uuid,
    /// What it needs of the machine.
    pub spec: JobSpec,
    /// What it runs.
    pub config: JobConfig,
    /// What its image is pulled with. It lives for some minutes only.
    pub oci_token: PullToken,
    /// How long the job may take, in seconds. The server allows some grace beyond that.
    pub timeout: u32,
    /// When it was submitted (RFC 3339).
    pub created: String,
    /// Whether the server wants the output while the job runs: see [the extension](crate#live-output).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live_output: bool,
    /// Whether the server wants to know how it is measured: see [the extension](crate#evidence).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evidence: bool,
}

impl Job {
    /// Makes sure that every field is within its bounds.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), BoundError> {
        self.spec.check()?;
        self.config.check()?;
        bounds::length("oci_token", self.oci_token.expose(), MAX_TOKEN_BYTES)?;
        bounds::length("created", &self.created, MAX_NAME_BYTES)?;
        bounds::not_zero("timeout", self.timeout.into())
    }
}
