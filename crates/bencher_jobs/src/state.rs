//! Where a job stands, and why it ended there.

use std::fmt;
use std::str::FromStr;

/// A name that stands for nothing, in a database that something else wrote to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no known state or reason: is the database of a newer version?")]
pub struct UnknownName(pub String);

macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name in the database and in the API.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = UnknownName;

            fn from_str(text: &str) -> Result<Self, UnknownName> {
                match text {
                    $($text => Ok(Self::$variant),)*
                    _ => Err(UnknownName(text.chars().take(64).collect())),
                }
            }
        }
    };
}

named! {
    /// Where a job stands.
    State {
        /// It waits for a runner.
        Pending = "pending",
        /// A runner has it and prepares it.
        Claimed = "claimed",
        /// Its command runs.
        Running = "running",
        /// Its results have come.
        Completed = "completed",
        /// Its results have been read.
        Processed = "processed",
        /// It ended without a result to rely on; the [`Reason`] says why.
        Failed = "failed",
        /// It was stopped.
        Canceled = "canceled",
    }
}

impl State {
    /// Whether a runner is at work on it.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Claimed | Self::Running)
    }

    /// Whether nothing is to be done for it any more.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::Claimed | Self::Running)
    }
}

named! {
    /// Why a job failed or was canceled.
    Reason {
        /// Nothing was heard of its runner for too long.
        HeartbeatTimeout = "heartbeat_timeout",
        /// Its runner asked for another job instead of finishing it.
        RunnerLostJob = "runner_lost_job",
        /// It took longer than its time-out and the grace after it.
        TimeoutExceeded = "job_timeout_exceeded",
        /// Its runner said so.
        RunnerFailed = "job_failed",
        /// Its runner stopped it.
        CanceledByRunner = "job_canceled_by_runner",
        /// A user stopped it.
        CanceledByUser = "job_canceled",
        /// The machine that the rest of its comparison ran on is gone.
        RunnerArchived = "runner_archived",
    }
}

impl Reason {
    /// Whether it was only silence: a result that comes later counts.
    pub const fn is_silence(self) -> bool {
        matches!(self, Self::HeartbeatTimeout | Self::RunnerLostJob)
    }

    /// Whether somebody did not want it any more: all others are failures.
    pub const fn is_cancellation(self) -> bool {
        matches!(self, Self::CanceledByRunner | Self::CanceledByUser)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for state in State::ALL {
            assert_eq!(state.name().parse(), Ok(*state));
        }
        for reason in Reason::ALL {
            assert_eq!(reason.name().parse(), Ok(*reason));
        }
        let error = "lost".parse::<State>().expect_err("no state");
        assert!(error.to_string().contains("`lost`"));
    }
}
