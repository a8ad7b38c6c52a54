//! Specs.

use bencher_channel_protocol::{Architecture, Os, SandboxKind};
use serde::{Deserialize, Serialize};

/// What a machine must be to run a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Spec {
    /// Its identifier: a UUID.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub architecture: String,
    /// Null: the runner's host itself.
    pub sandbox: Option<String>,
    /// Processors.
    pub cpu: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
    /// Whether its jobs have a network.
    pub network: bool,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    pub modified: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<String>,
}

/// A spec to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewSpec {
    /// Its name in addresses: lower-case letters and digits in groups joined by single hyphens.
    pub slug: String,
    /// Its name for people; without one the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The operating system.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "linux"))]
    pub os: Os,
    /// The processor's architecture.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "x86_64"))]
    pub architecture: Architecture,
    /// `firecracker`, or null: the runner's host itself.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>, example = "firecracker"))]
    pub sandbox: Option<SandboxKind>,
    /// Processors.
    pub cpu: u32,
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub disk: u64,
    /// Whether its jobs have a network.
    #[serde(default)]
    pub network: bool,
}
