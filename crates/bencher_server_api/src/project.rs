//! Projects and what they may have.

use serde::{Deserialize, Serialize};

/// Jobs that wait, unless another quota is set.
const QUEUED: u32 = 10_000;
/// Jobs at work, unless another quota is set.
const ACTIVE: u32 = 1_000;

/// What a project may have at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Quota {
    /// Jobs that wait.
    pub queued: u32,
    /// Jobs that runners work on.
    pub active: u32,
    /// The highest priority of its jobs.
    pub priority: u8,
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            queued: QUEUED,
            active: ACTIVE,
            priority: 0,
        }
    }
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Project {
    /// Its identifier: a UUID, which is the name of its images' repository.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// What it may have.
    pub quota: Quota,
    /// Its jobs that wait.
    pub queued: u32,
    /// Its jobs at work.
    pub active: u32,
    /// RFC 3339.
    pub created: String,
}

/// A project to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewProject {
    /// Its name in addresses: lower-case letters and digits in groups joined by single hyphens.
    pub slug: String,
    /// Its name for people; without one the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it may have.
    #[serde(default)]
    pub quota: Quota,
}
