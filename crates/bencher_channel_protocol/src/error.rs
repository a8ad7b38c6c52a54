use thiserror::Error;
use uuid::Uuid;

use crate::{BoundError, Excerpt};

/// What can be wrong with a text that the other side sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It is not a JSON object with an `event`.
    #[error("the message is not a JSON object with an `event`: {reason}")]
    NoEvent {
        /// What the parser says.
        reason: Excerpt,
    },
    /// This side knows no such event.
    #[error("the event {event} is not known")]
    UnknownEvent {
        /// The event's name.
        event: Excerpt,
    },
    /// The fields of the event are not as they should be.
    #[error("the event `{event}` is malformed: {reason}")]
    Malformed {
        /// The event's name.
        event: &'static str,
        /// What the parser says.
        reason: Excerpt,
    },
    /// A field is out of bounds.
    #[error("the event `{event}` is out of bounds: {source}")]
    Bound {
        /// The event's name.
        event: &'static str,
        /// The field.
        source: BoundError,
    },
    /// A claimed job can not be run, but has a name.
    #[error("the job {job} can not be run: {source}")]
    Job {
        /// The job.
        job: Uuid,
        /// What is wrong with it.
        source: Box<DecodeError>,
    },
}

impl DecodeError {
    pub(crate) fn unknown_event(event: &str) -> Self {
        Self::UnknownEvent {
            event: Excerpt::new(event),
        }
    }
}
