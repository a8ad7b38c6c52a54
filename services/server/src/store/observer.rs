//! Who is told what became of jobs once it is true, and what the database did not do.

use std::fmt::Debug;

use bencher_jobs::{JobId, Life, Timestamp};

use super::{Job, Signal};
use crate::telemetry::TraceParent;

/// Something that became of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It was submitted.
    Submitted {
        job: JobId,
        trace: Option<TraceParent>,
    },
    /// It is in another state, or is so for another reason.
    Changed {
        /// As it was.
        job: Box<Job>,
        /// Its life from now on.
        next: Box<Life>,
        /// When that was.
        at: Timestamp,
    },
    /// It is no more.
    Deleted {
        job: JobId,
        trace: Option<TraceParent>,
    },
}

/// What the database is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// To read.
    Read,
    /// To change something.
    Write,
    /// To tell of what other servers did.
    Listen,
}

impl Operation {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Listen];

    /// Its name among the numbers for Prometheus.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Listen => "listen",
        }
    }
}

/// Who is told. It is told in the middle of everything, and must not hold it up.
pub(crate) trait Observer: Debug + Send + Sync {
    /// These are true from now on, in this order.
    fn turned(&self, turns: &[Turn]);

    /// These others want to know, now that it is true.
    fn signaled(&self, signals: &[Signal]);

    /// The database failed, or did not answer in time.
    fn failed(&self, operation: Operation);

    /// Two changes met, and one of them is made anew.
    fn met(&self);
}
