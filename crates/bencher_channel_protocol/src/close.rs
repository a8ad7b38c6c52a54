//! Why a server closed the channel.

use std::fmt;

/// The reason in a close frame of code 1008, for a connection that is the runner's no longer. The runner
/// ends then: if it connected again, it would close the newer one.
pub const REPLACED: &str = "a newer connection of this runner was opened, or its key was rotated";

/// The reason in a close frame of code 1000. On the wire it is a JSON string: `"heartbeat_timeout"`,
/// quotes included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// The job was completed.
    JobCompleted,
    /// The job failed.
    JobFailed,
    /// The job was canceled.
    JobCanceled,
    /// The runner said that it had canceled the job.
    JobCanceledByRunner,
    /// The runner was silent for too long; its job is failed, but a `completed` overrides that.
    HeartbeatTimeout,
    /// The job took longer than its timeout and the grace after it.
    JobTimeoutExceeded,
}

impl CloseReason {
    /// All reasons.
    pub const ALL: [Self; 6] = [
        Self::JobCompleted,
        Self::JobFailed,
        Self::JobCanceled,
        Self::JobCanceledByRunner,
        Self::HeartbeatTimeout,
        Self::JobTimeoutExceeded,
    ];

    /// The reason's name, without quotes.
    pub fn name(self) -> &'static str {
        match self {
            Self::JobCompleted => "job_completed",
            Self::JobFailed => "job_failed",
            Self::JobCanceled => "job_canceled",
            Self::JobCanceledByRunner => "job_canceled_by_runner",
            Self::HeartbeatTimeout => "heartbeat_timeout",
            Self::JobTimeoutExceeded => "job_timeout_exceeded",
        }
    }

    /// The text of a close frame's reason, quotes included.
    pub fn wire(self) -> String {
        format!("\"{}\"", self.name())
    }

    /// The reason that a close frame's text stands for, with quotes or without; `None` for others.
    pub fn parse(text: &str) -> Option<Self> {
        let name = text
            .strip_prefix('"')
            .and_then(|text| text.strip_suffix('"'))
            .unwrap_or(text);
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
