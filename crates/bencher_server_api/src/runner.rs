//! Runners, their keys, and what they can run.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A machine that runs jobs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Runner {
    /// Its identifier: a UUID.
    pub id: String,
    /// Its name in addresses.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// RFC 3339.
    pub created: String,
    /// RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<String>,
    /// Whether it is connected, as far as servers know: its newest connection has not ended, and something
    /// was heard of it lately (`--heartbeat-timeout` / 3 and 40 s, which are 50 s by default). Of one whose host or
    /// server was lost it is known that late.
    pub connected: bool,
    /// When something was last heard of it, to half a minute. RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<String>,
    /// What it says of itself: `os`, `arch`, `version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<Object>))]
    pub metadata: Option<Value>,
    /// The identifiers of the specs that it can run; only where one runner is shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub specs: Option<Vec<String>>,
}

/// A runner with its key, which is not shown again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RunnerWithKey {
    /// The runner.
    pub runner: Runner,
    /// For `runner up --key`.
    pub key: String,
}

/// A runner to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct NewRunner {
    /// Its name in addresses: lower-case letters and digits in groups joined by single hyphens.
    pub slug: String,
    /// Its name for people; without one the slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The slugs or identifiers of the specs that it can run.
    #[serde(default)]
    pub specs: Vec<String>,
}
