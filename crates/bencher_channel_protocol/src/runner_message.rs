//! What a runner says to the server.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::decode::{self, payload};
use crate::{
    Architecture, Checksum, DecodeError, Evidence, IterationOutput, LiveOutput, Os, PollTimeout,
    results,
};

/// A message of the runner.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum RunnerMessage {
    /// The runner is idle and asks for a job.
    Ready(Ready),
    /// The job is set up and the benchmark starts.
    Running,
    /// The job is still alive.
    Heartbeat,
    /// The job is done. See [`Terminal::Completed`].
    Completed {
        /// The job.
        job: Uuid,
        /// What each iteration produced.
        results: Vec<IterationOutput>,
        /// How it was measured: see [the extension](crate#evidence).
        #[serde(skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// The job failed. See [`Terminal::Failed`].
    Failed {
        /// The job.
        job: Uuid,
        /// What was collected until then.
        results: Vec<IterationOutput>,
        /// Why it failed.
        error: String,
        /// How it was measured: see [the extension](crate#evidence).
        #[serde(skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// The job was canceled. See [`Terminal::Canceled`].
    Canceled {
        /// The job.
        job: Uuid,
    },
    /// Output while the job runs.
    Output(LiveOutput),
}

/// A runner that asks for a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// How long the server may wait for a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub poll_timeout: Option<PollTimeout>,
    /// What the runner is. Absent means: no automatic updates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runner: Option<RunnerInfo>,
    /// Whether the runner can send output while a job runs: see [the extension](crate#live-output).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live_output: bool,
    /// Whether the runner can say how it measured: see [the extension](crate#evidence).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub evidence: bool,
}

impl Ready {
    /// Whether the runner can send output while a job runs, wherever it says so.
    pub fn has_live_output(&self) -> bool {
        self.live_output || self.runner.as_ref().is_some_and(|info| info.live_output)
    }
}

/// What a runner is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunnerInfo {
    /// Its operating system.
    pub os: Os,
    /// Its processor architecture.
    pub arch: Architecture,
    /// Its version.
    pub version: String,
    /// Which updates it wants.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<UpdateChannel>,
    /// The SHA-256 of its program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// The same as [`Ready::live_output`], for servers that look for it here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub live_output: bool,
}

/// Which updates a runner wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UpdateChannel {
    /// Releases.
    Stable,
    /// What comes before a release.
    Canary,
}

/// The last message about a job. Sending it twice is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Terminal {
    /// The job is done.
    Completed {
        /// The job.
        job: Uuid,
        /// What each iteration produced.
        results: Vec<IterationOutput>,
        /// How it was measured: see [the extension](crate#evidence).
        evidence: Option<Evidence>,
    },
    /// The job failed.
    Failed {
        /// The job.
        job: Uuid,
        /// What was collected until then.
        results: Vec<IterationOutput>,
        /// Why it failed.
        error: String,
        /// How it was measured: see [the extension](crate#evidence).
        evidence: Option<Evidence>,
    },
    /// The job was canceled.
    Canceled {
        /// The job.
        job: Uuid,
    },
}

impl Terminal {
    /// The job.
    pub fn job(&self) -> Uuid {
        match self {
            Self::Completed { job, .. } | Self::Failed { job, .. } | Self::Canceled { job } => *job,
        }
    }

    /// The message's event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
        }
    }
}

impl From<Terminal> for RunnerMessage {
    fn from(terminal: Terminal) -> Self {
        match terminal {
            Terminal::Completed {
                job,
                results,
                evidence,
            } => Self::Completed {
                job,
                results,
                evidence,
            },
            Terminal::Failed {
                job,
                results,
                error,
                evidence,
            } => Self::Failed {
                job,
                results,
                error,
                evidence,
            },
            Terminal::Canceled { job } => Self::Canceled { job },
        }
    }
}

/// The payloads that are no types of their own.
#[derive(Deserialize)]
struct Completion {
    job: Uuid,
    #[serde(deserialize_with = "results::of_job")]
    results: Vec<IterationOutput>,
    #[serde(default, deserialize_with = "Evidence::unchecked")]
    evidence: Option<Evidence>,
}

#[derive(Deserialize)]
struct Failure {
    job: Uuid,
    #[serde(deserialize_with = "results::of_job")]
    results: Vec<IterationOutput>,
    error: String,
    #[serde(default, deserialize_with = "Evidence::unchecked")]
    evidence: Option<Evidence>,
}

#[derive(Deserialize)]
struct JobOnly {
    job: Uuid,
}

impl RunnerMessage {
    /// The message's event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Ready(_) => "ready",
            Self::Running => "running",
            Self::Heartbeat => "heartbeat",
            Self::Completed { .. } => "completed",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
            Self::Output(_) => "output",
        }
    }

    /// The last message about a job, if this is one.
    ///
    /// # Errors
    ///
    /// The message itself, if it is another one.
    pub fn into_terminal(self) -> Result<Terminal, Self> {
        match self {
            Self::Completed {
                job,
                results,
                evidence,
            } => Ok(Terminal::Completed {
                job,
                results,
                evidence,
            }),
            Self::Failed {
                job,
                results,
                error,
                evidence,
            } => Ok(Terminal::Failed {
                job,
                results,
                error,
                evidence,
            }),
            Self::Canceled { job } => Ok(Terminal::Canceled { job }),
            other => Err(other),
        }
    }

    /// The message as the text of a frame.
    pub fn encode(&self) -> String {
        decode::encode(self)
    }

    /// The message that a text frame holds. How long it may be is for the caller to decide.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, or no message that a runner sends.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let event = decode::event(text)?;
        Ok(match &*event {
            "ready" => Self::Ready(payload("ready", text)?),
            "running" => Self::Running,
            "heartbeat" => Self::Heartbeat,
            "completed" => {
                let Completion {
                    job,
                    results,
                    evidence,
                } = payload("completed", text)?;
                Self::Completed {
                    job,
                    results,
                    evidence,
                }
            }
            "failed" => {
                let Failure {
                    job,
                    results,
                    error,
                    evidence,
                } = payload("failed", text)?;
                Self::Failed {
                    job,
                    results,
                    error,
                    evidence,
                }
            }
            "canceled" => {
                let JobOnly { job } = payload("canceled", text)?;
                Self::Canceled { job }
            }
            "output" => Self::Output(payload("output", text)?),
            unknown => return Err(DecodeError::unknown_event(unknown)),
        })
    }
}
