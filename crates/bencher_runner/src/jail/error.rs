use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::UidRange;
use crate::cgroup::CgroupError;

/// Why there is no jail.
#[derive(Debug, Error)]
pub enum JailError {
    /// Something of it is missing, and all of it was asked for.
    #[error(
        "the jail would be incomplete; it would lack {missing}; run as root on a host with cgroup \
         v2, or leave --require-jail out"
    )]
    Incomplete {
        /// What is missing.
        missing: String,
    },
    /// Every user id of the range is in use.
    #[error(
        "all {} user ids from {} on are in use by other VMMs: wait for one to end, or give more \
         with --jail-uids", range.count, range.first
    )]
    NoUid {
        /// The range.
        range: UidRange,
    },
    /// The list of user ids in use can not be kept.
    #[error("failed to reserve a user id for the VMM: {}: {source}", path.display())]
    UidLock {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cgroup can not be made.
    #[error(transparent)]
    Cgroup(CgroupError),
    /// A file or folder of the jail can not be made.
    #[error("failed to prepare the jail: {}: {source}", path.display())]
    Prepare {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A program can not be taken into the jail.
    #[error("failed to find the libraries of {}: {reason}", path.display())]
    Libraries {
        /// The program.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The jailer failed at a step.
    #[error("the VMM's jail failed: {0}")]
    Step(String),
}
