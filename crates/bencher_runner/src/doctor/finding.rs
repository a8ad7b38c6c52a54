//! What was found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::noise::Noise;

/// All that was found on a host.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Diagnosis {
    /// Each check.
    pub checks: Vec<Finding>,
    /// The host's own noise; absent when it was not measured.
    pub noise: Option<Noise>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The check's name.
    pub check: String,
    /// How good it is.
    pub status: Status,
    /// What there is.
    pub found: String,
    /// Why it matters.
    pub why: String,
    /// What makes it better, a command where there is one; absent when nothing is to be done or
    /// can be.
    pub fix: Option<String>,
}

/// How good something is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be, or the runner makes it so while something runs.
    Pass,
    /// Times are noisier, or something is less safe, than they could be.
    Warn,
    /// Times of this host say little about hardware.
    Fail,
}

impl Diagnosis {
    /// How many checks ended so.
    pub fn count(&self, status: Status) -> usize {
        let has_it = |finding: &&Finding| finding.status == status;
        self.checks.iter().filter(has_it).count()
    }
}

/// A check: its name, why it matters, and how it looks at a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) examine: fn(&super::Host) -> Outcome,
}

/// What a check says of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) status: Status,
    pub(super) found: String,
    pub(super) fix: Option<String>,
}

impl Check {
    pub(super) fn on(&self, host: &super::Host) -> Finding {
        let Outcome { status, found, fix } = (self.examine)(host);
        Finding {
            check: self.name.to_owned(),
            status,
            found,
            why: self.why.to_owned(),
            fix,
        }
    }
}

impl Outcome {
    pub(super) fn pass(found: impl Into<String>) -> Self {
        Self {
            status: Status::Pass,
            found: found.into(),
            fix: None,
        }
    }

    pub(super) fn warn(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Warn,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    pub(super) fn fail(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            status: Status::Fail,
            found: found.into(),
            fix: Some(fix.into()),
        }
    }

    /// Not as it should be, and nothing to be done about it.
    pub(super) fn limited(found: impl Into<String>) -> Self {
        Self {
            status: Status::Warn,
            found: found.into(),
            fix: None,
        }
    }
}
