//! Jobs: what they are, and every change of their state.

mod active;
mod bound;
mod change;
mod claim;
mod comparisons;
mod config;
mod delete;
mod heads;
mod held;
mod list;
mod oldest;
mod prospects;
mod report;
mod results;
mod submit;
mod take;

use bencher_jobs::{ComparisonId, JobId, Life, ProjectId, RunnerId, SpecId, Timestamp, TokenId};
use sqlx::any::AnyRow;
use tracing::field::DisplayValue;

pub use active::Active;
pub use claim::{Claims, Handed, Waiting};
pub use comparisons::Comparison;
pub use config::KeptConfig;
pub use held::Hold;
pub(crate) use held::LONGEST_HOLD;
pub use list::{Described, Filter, Slugs, Unprocessed};
pub(crate) use oldest::Oldest;
pub use report::{Attached, Changed, Heard, Said, What};
pub use submit::NewJob;

use super::StoreError;
use super::row::{maybe_parsed, maybe_time, number, parsed, time, truth};
use crate::telemetry::{TraceId, TraceParent, trace_id};

/// The columns that [`Job::read`] reads: none that may be long.
const COLUMNS: &str = "id, project, spec, submitter, created, priority, timeout, comparison, side, \
    position, bound_to, state, reason, runner, is_confirmed, lease, deadline, claimed, started, ended, trace";

/// A job: all that decides what becomes of it.
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
    /// What it is compared with.
    pub comparison: Option<Side>,
    /// The machine that its comparison is bound to.
    pub bound_to: Option<RunnerId>,
    /// The request that submitted it; nothing if that was before this was kept.
    pub trace: Option<TraceParent>,
    /// Its life so far.
    pub life: Life,
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
    /// The trace that it was submitted in, for the log.
    pub(crate) fn trace_id(&self) -> Option<DisplayValue<TraceId>> {
        trace_id(self.trace)
    }

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
            comparison,
            bound_to: maybe_parsed(row, "bound_to")?,
            trace: maybe_parsed(row, "trace")?,
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
        })
    }
}
