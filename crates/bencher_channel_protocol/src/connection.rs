//! Which of a runner's connections one is: what it says itself, since a request that was held up on its
//! way may come after a later one.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;
use uuid::{Builder, Uuid};

use crate::Excerpt;

/// The header of the request for an upgrade whose value is a [`ConnectionNumber`].
pub const CONNECTION_HEADER: &str = "bencher-connection";

/// A runner's process and which of its connections this is, counted from 1. As a text
/// `{process}.{number}`: a UUID in lower case with hyphens, and a decimal number without leading zeros, at
/// most 4294967295.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConnectionNumber {
    process: Uuid,
    number: NonZeroU32,
}

/// A text that says of no connection which it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0} is not the UUID of a process and the number of its connection, with a point between them"
)]
pub struct ConnectionNumberError(Excerpt);

impl ConnectionNumber {
    /// The first connection of a process, which `random` bits tell from all others.
    pub fn first(random: u128) -> Self {
        Self {
            process: Builder::from_random_bytes(random.to_be_bytes()).into_uuid(),
            number: NonZeroU32::MIN,
        }
    }

    /// The same process's next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }

    /// Whether this connection, though it came after `known`, is not the newer of the two. That can be told
    /// only of connections of one process.
    pub fn is_overtaken_by(self, known: Self) -> bool {
        self.process == known.process && self.number <= known.number
    }
}

impl fmt::Display for ConnectionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process.hyphenated(), self.number)
    }
}

impl FromStr for ConnectionNumber {
    type Err = ConnectionNumberError;

    fn from_str(text: &str) -> Result<Self, ConnectionNumberError> {
        let parsed = text.split_once('.').and_then(|(process, number)| {
            Some(Self {
                process: process.parse().ok()?,
                number: number.parse().ok()?,
            })
        });
        // Only the form that is written.
        parsed
            .filter(|parsed| parsed.to_string() == text)
            .ok_or_else(|| ConnectionNumberError(Excerpt::new(text)))
    }
}
