//! Why a command in the lab did not come to its end, and how long that takes to tell.

use std::time::Duration;

/// How long a lab is waited for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Until its agent says something. A busy host is slow; a lab that never comes up is not worth
    /// a longer wait.
    pub(crate) boot: Duration,
    /// While it neither says anything nor uses processor time.
    pub(crate) stillness: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            boot: Duration::from_mins(2),
            stillness: Duration::from_secs(10),
        }
    }
}

/// Why a command did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Interruption {
    /// The lab stopped for ever.
    #[error("the lab froze: no processor time used and no sign of life for {} s", .stillness.as_secs())]
    Frozen {
        /// How long it was still.
        stillness: Duration,
    },
    /// The lab's agent never said anything.
    #[error("the lab did not come up within {} s; the end of its console:\n  {console}", .boot.as_secs())]
    BootTimeout {
        /// How long it was waited for.
        boot: Duration,
        /// The last lines of its console.
        console: String,
    },
    /// The lab's own kernel crashed, which no program in it can be blamed for.
    #[error("the lab's kernel crashed:\n  {report}")]
    Crashed {
        /// The beginning of its report, and what it gave up with.
        report: String,
    },
    /// QEMU ended.
    #[error("the lab ended by itself; the end of its console:\n  {console}")]
    Died {
        /// The last lines of its console.
        console: String,
    },
    /// Something else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

impl Interruption {
    /// Whether the same may go well the next time.
    pub(crate) fn is_worth_another_try(&self) -> bool {
        matches!(
            self,
            Self::Frozen { .. } | Self::BootTimeout { .. } | Self::Crashed { .. }
        )
    }
}
