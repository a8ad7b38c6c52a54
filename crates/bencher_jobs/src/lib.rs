//! What happens to a benchmark job between its submission and its result.
//!
//! A crate of its own, and without I/O: who gets which job and what a report does to it are decided
//! by functions that tables and properties test, whatever database and network stand around them.
//!
//! ```text
//!            claim           running            completed            results read
//!  pending ────────► claimed ────────► running ───────────► completed ───────────► processed
//!     │                 │  └──────────────────────────────────▲   ▲
//!     │                 ├────────────┬─── silence, limits, ──► failed   (a result that comes
//!     │ cancel          │ cancel     │    the runner's word                after silence)
//!     └─────────────────┴────────────┴───────────────────────► canceled
//! ```
//!
//! A job is never tried again by itself: who submitted it decides.

mod bucket;
mod comparison;
mod id;
mod life;
mod quota;
mod schedule;
mod state;
mod time;

pub use bucket::{Bucket, Rate};
pub use comparison::{ComparisonError, MAX_COMPARISON_JOBS, interleave};
pub use id::{
    ComparisonId, ConnectionId, IdError, JobId, ProjectId, ReleaseId, RunnerId, SpecId, TokenId,
};
pub use life::{Answer, Life, Limits, Reply, Report, Return};
pub use quota::{Quota, QuotaError};
pub use schedule::{Assignment, Candidate, Idle, Order, Share, assign, order};
pub use state::{Reason, State, UnknownName};
pub use time::Timestamp;
