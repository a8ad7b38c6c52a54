//! What a server says to a runner.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::bounds::{self, BoundError, MAX_NAME_BYTES, MAX_URL_BYTES};
use crate::decode::{self, payload};
use crate::{Checksum, DecodeError, Job};

/// A message of the server.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ServerMessage {
    /// What the runner said is taken.
    Ack {
        /// The job that it said it about.
        #[serde(skip_serializing_if = "Option::is_none")]
        job: Option<Uuid>,
    },
    /// The runner has claimed a job.
    Job(Box<Job>),
    /// There was no job within the poll timeout.
    NoJob,
    /// Stop the running job now.
    Cancel,
    /// There is another program that the runner may become between two jobs.
    Update(Update),
}

/// A program that the runner may become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// Its version.
    pub version: String,
    /// Where it is.
    pub url: String,
    /// Its SHA-256.
    pub checksum: Checksum,
}

impl Update {
    /// Makes sure that every field is within its bounds.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), BoundError> {
        bounds::filled("version", &self.version, MAX_NAME_BYTES)?;
        bounds::filled("url", &self.url, MAX_URL_BYTES)
    }
}

#[derive(Deserialize)]
struct Acknowledgement {
    #[serde(default)]
    job: Option<Uuid>,
}

#[derive(Deserialize)]
struct JobName {
    uuid: Uuid,
}

impl ServerMessage {
    /// The message's event.
    pub fn event(&self) -> &'static str {
        match self {
            Self::Ack { .. } => "ack",
            Self::Job(_) => "job",
            Self::NoJob => "no_job",
            Self::Cancel => "cancel",
            Self::Update(_) => "update",
        }
    }

    /// The message as the text of a frame.
    pub fn encode(&self) -> String {
        decode::encode(self)
    }

    /// The message that a text frame holds, every field within its bounds. How long the text may be
    /// is for the caller to decide.
    ///
    /// # Errors
    ///
    /// When the text is not JSON, or no message that a server sends. A job that can not be run says
    /// so by its name ([`DecodeError::Job`]), for the runner has claimed it and must refuse it.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let event = decode::event(text)?;
        Ok(match &*event {
            "ack" => {
                let Acknowledgement { job } = payload("ack", text)?;
                Self::Ack { job }
            }
            "job" => Self::Job(Box::new(job(text)?)),
            "no_job" => Self::NoJob,
            "cancel" => Self::Cancel,
            "update" => {
                let update: Update = payload("update", text)?;
                update.check().map_err(|source| DecodeError::Bound {
                    event: "update",
                    source,
                })?;
                Self::Update(update)
            }
            unknown => return Err(DecodeError::unknown_event(unknown)),
        })
    }
}

fn job(text: &str) -> Result<Job, DecodeError> {
    let job: Result<Job, DecodeError> = payload("job", text);
    job.and_then(|job| match job.check() {
        Ok(()) => Ok(job),
        Err(source) => Err(DecodeError::Bound {
            event: "job",
            source,
        }),
    })
    .map_err(|error| match payload::<JobName>("job", text) {
        Ok(JobName { uuid }) => DecodeError::Job {
            job: uuid,
            source: Box::new(error),
        },
        Err(_) => error,
    })
}
