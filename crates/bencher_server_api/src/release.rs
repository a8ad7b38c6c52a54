//! Programs that runners may become.

use bencher_channel_protocol::{Architecture, Checksum, Os, UpdateChannel};
use serde::{Deserialize, Serialize};

/// A program that runners may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Release {
    /// Its identifier: a UUID.
    pub id: String,
    /// Its semantic version.
    pub version: String,
    /// Whose runners it is for: `stable` or `canary`.
    pub channel: String,
    /// The operating system.
    pub os: String,
    /// The processor's architecture.
    pub architecture: String,
    /// Where runners fetch it.
    pub url: String,
    /// The program's SHA-256.
    pub checksum: String,
    /// RFC 3339.
    pub created: String,
}

/// A program to be published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRelease {
    /// A semantic version: runners with a later one do not go back.
    #[cfg_attr(feature = "schema", schema(example = "1.2.3"))]
    pub version: String,
    /// Whose runners it is for: `stable` or `canary`.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "stable"))]
    pub channel: UpdateChannel,
    /// The operating system.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "linux"))]
    pub os: Os,
    /// The processor's architecture.
    #[cfg_attr(feature = "schema", schema(value_type = String, example = "x86_64"))]
    pub architecture: Architecture,
    /// Where runners fetch it, without credentials.
    pub url: String,
    /// The program's SHA-256: 64 lower-case hexadecimal digits.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub checksum: Checksum,
}
