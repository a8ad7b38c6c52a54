//! Jobs to be.

use std::collections::BTreeMap;

use bencher_channel_protocol::ImageDigest;
use serde::{Deserialize, Serialize};

/// What a job runs: the image `{registry}/{project}@{digest}`, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The registry's address.
    #[cfg_attr(feature = "schema", schema(example = "https://registry.example.com"))]
    pub registry: String,
    /// The image's digest, in the repository that has the project's identifier as its name.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub digest: ImageDigest,
    /// What the image is called, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Variables above those of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Seconds that an iteration may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Files to collect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_paths: Option<Vec<String>>,
    /// Asks for the command's wall time as a metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_time: Option<bool>,
    /// Asks for the sizes of the files instead of their contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<bool>,
    /// How many iterations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iter: Option<u32>,
    /// Whether a command that fails completes the job all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_failure: Option<bool>,
}

/// A job to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewJob {
    /// The slug or identifier of its project.
    pub project: String,
    /// The slug or identifier of what it must run on.
    pub spec: String,
    /// The higher, the sooner.
    #[serde(default)]
    pub priority: u8,
    /// Seconds that it may run, all iterations together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// What it runs.
    pub config: Config,
}
