//! Jobs: what they are, and every change of their state.

mod active;
mod change;
mod claim;
mod list;
mod results;
mod submit;

use bencher_jobs::{ComparisonId, JobId, Life, ProjectId, RunnerId, SpecId, Timestamp, TokenId};
use sqlx::any::AnyRow;

pub use active::Active;
pub use change::{Attached, Changed};
pub use claim::{Claims, Handed, Waiting};
pub use list::Filter;
pub use submit::NewJob;

use super::StoreError;
use super::row::{maybe_parsed, maybe_text, maybe_time, number, parsed, text, time, truth};
use crate::outputs::Kept;

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// Its identifier.
    pub id: JobId,
    /// Whose it is.
    pub project: ProjectId,
    /// What it must run on.
    pub spec: SpecId,
    /// The token that it was submitted with.
    pub submitter: Option<TokenId>,
    /// When it was submitted.
    pub created: Timestamp,
    /// The higher, the sooner.
    pub priority: u8,
    /// Seconds that its command may run, all iterations together.
    pub timeout: u32,
    /// What is to be run: JSON, as the runner gets it.
    pub config: String,
    /// What it is compared with.
    pub comparison: Option<Side>,
    /// The machine that its comparison is bound to.
    pub bound_to: Option<RunnerId>,
    /// Its life so far.
    pub life: Life,
    /// What its runner said when it failed.
    pub error: Option<String>,
    /// Where its results are.
    pub results: Option<Kept>,
    /// What its results hold: JSON.
    pub summary: Option<String>,
}

/// A job's place in a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// Which comparison.
    pub comparison: ComparisonId,
    /// Which of the things compared it is.
    pub side: u32,
    /// When it comes, from 0.
    pub position: u32,
}

impl Job {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let comparison = maybe_parsed(row, "comparison")?
            .map(|comparison| {
                Ok::<_, StoreError>(Side {
                    comparison,
                    side: number(row, "side")?,
                    position: number(row, "position")?,
                })
            })
            .transpose()?;
        Ok(Self {
            id: parsed(row, "id")?,
            project: parsed(row, "project")?,
            spec: parsed(row, "spec")?,
            submitter: maybe_parsed(row, "submitter")?,
            created: time(row, "created")?,
            priority: number(row, "priority")?,
            timeout: number(row, "timeout")?,
            config: text(row, "config")?,
            comparison,
            bound_to: maybe_parsed(row, "bound_to")?,
            life: Life {
                state: parsed(row, "state")?,
                reason: maybe_parsed(row, "reason")?,
                runner: maybe_parsed(row, "runner")?,
                is_confirmed: truth(row, "is_confirmed")?,
                lease: maybe_time(row, "lease")?,
                deadline: maybe_time(row, "deadline")?,
                claimed: maybe_time(row, "claimed")?,
                started: maybe_time(row, "started")?,
                ended: maybe_time(row, "ended")?,
            },
            error: maybe_text(row, "error")?,
            results: maybe_text(row, "results")?.map(Kept::from_column),
            summary: maybe_text(row, "summary")?,
        })
    }
}
