use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why a host is not tuned, or not put back.
#[derive(Debug, Error)]
pub enum TuningError {
    /// An ordinary user asked for it.
    #[error("host tuning needs root")]
    NotRoot,
    /// Another runner has the host's knobs.
    #[error("another runner is tuning this host")]
    Taken,
    /// The lock can not be used.
    #[error("failed to lock host tuning by {}: {source}", path.display())]
    Lock {
        /// The lock, or its folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It can not be told whether the host was started anew since the journal was written.
    #[error("failed to read the boot id from /proc/sys/kernel/random/boot_id: {0}")]
    BootId(io::Error),
    /// The journal can not be read or written.
    #[error("failed to {action} the journal of host tuning {}: {source}", path.display())]
    Journal {
        /// What was being done.
        action: &'static str,
        /// The journal.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The journal says nothing that could be trusted.
    #[error(
        "the journal of host tuning {} is damaged ({reason}): this host may still be tuned; set its \
         values as they should be, or reboot, and then remove the file", path.display()
    )]
    Corrupt {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// An earlier runner's values are still in force.
    #[error(
        "values of an earlier runner could not be put back ({count} of them): `runner tune restore` tries \
         again; to give them up, remove {}", journal.display()
    )]
    LeftOver {
        /// How many.
        count: usize,
        /// The journal, which says what they were.
        journal: PathBuf,
    },
    /// Tuning was required, and something of it can not be had.
    #[error(
        "the host can not be tuned as required: {reason}; leave --require-tuning out, or keep what \
         can not be tuned by its option"
    )]
    Incomplete {
        /// What can not be had, and why.
        reason: String,
    },
}
