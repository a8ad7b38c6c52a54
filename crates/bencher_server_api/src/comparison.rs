//! Comparisons.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Config;

/// Things to be compared: they run on one machine, in turns, back and forth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewComparison {
    /// The slug or identifier of its project.
    pub project: String,
    /// The slug or identifier of what it must run on.
    pub spec: String,
    /// The higher, the sooner.
    #[serde(default)]
    pub priority: u8,
    /// Seconds that each job may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// How often each side is run.
    pub rounds: usize,
    /// What is compared: two or more.
    pub sides: Vec<Config>,
}

/// What was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Submitted {
    /// The comparison.
    pub comparison: String,
    /// Its jobs, in their order.
    pub jobs: Vec<String>,
}

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Comparison {
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
    /// Who runs or ran it: an identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<String>,
    /// The runner's slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner_slug: Option<String>,
    /// RFC 3339.
    pub created: String,
    /// When its last job ended, once all have. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
    /// What is compared; the first is what the others are compared with.
    pub sides: Vec<ComparisonSide>,
}

/// One side of a comparison.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct ComparisonSide {
    /// How many of its jobs are in each state.
    pub jobs: BTreeMap<String, u32>,
}
