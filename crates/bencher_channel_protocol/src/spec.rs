//! What a job needs of the machine that runs it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::bounds::{self, BoundError, MAX_NAME_BYTES};

/// An operating system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Os {
    /// Linux.
    Linux,
    /// macOS.
    #[serde(rename = "macos")]
    MacOs,
    /// Windows.
    Windows,
}

/// A processor architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Architecture {
    /// 64-bit x86.
    #[serde(rename = "x86_64")]
    X86_64,
    /// 64-bit ARM.
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Os {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::MacOs => "macos",
            Self::Windows => "windows",
        }
    }
}

impl Architecture {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }
}

/// What keeps a job apart from its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SandboxKind {
    /// A microVM.
    Firecracker,
}

/// What a job needs of the machine that runs it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    /// Names the spec.
    pub uuid: Uuid,
    /// Its name for people.
    pub name: String,
    /// Its name in addresses.
    pub slug: String,
    /// The operating system.
    pub os: Os,
    /// The processor architecture.
    pub architecture: Architecture,
    /// What keeps the job apart from its host; `None` (null, and never left out) is nothing.
    pub sandbox: Option<SandboxKind>,
    /// How many CPUs.
    pub cpu: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Disk in bytes.
    pub disk: u64,
    /// Whether the job may use the network.
    pub network: bool,
    /// The server's business: a runner passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Value>,
    /// When it was made (RFC 3339).
    pub created: String,
    /// When it was changed (RFC 3339).
    pub modified: String,
    /// When it was put out of use (RFC 3339).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<String>,
}

impl JobSpec {
    /// Makes sure that every field is within its bounds.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), BoundError> {
        bounds::filled("spec.name", &self.name, MAX_NAME_BYTES)?;
        bounds::filled("spec.slug", &self.slug, MAX_NAME_BYTES)?;
        bounds::length("spec.created", &self.created, MAX_NAME_BYTES)?;
        bounds::length("spec.modified", &self.modified, MAX_NAME_BYTES)?;
        bounds::not_zero("spec.cpu", self.cpu.into())?;
        bounds::not_zero("spec.memory", self.memory)?;
        bounds::not_zero("spec.disk", self.disk)
    }
}
