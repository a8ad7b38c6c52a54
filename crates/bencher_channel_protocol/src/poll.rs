//! How long a server may wait for a job before it says that there is none.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Seconds from 1 to 900.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PollTimeout(u16);

/// A poll timeout out of bounds.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("a poll timeout is a whole number of seconds from 1 to 900, not {0}")]
pub struct PollTimeoutError(String);

impl PollTimeout {
    /// The shortest.
    pub const MIN: Self = Self(1);
    /// The longest: a quarter of an hour.
    pub const MAX: Self = Self(900);

    /// The timeout of `seconds`.
    ///
    /// # Errors
    ///
    /// When that is not from 1 to 900.
    pub fn new(seconds: u32) -> Result<Self, PollTimeoutError> {
        u16::try_from(seconds)
            .ok()
            .map(Self)
            .filter(|timeout| (Self::MIN..=Self::MAX).contains(timeout))
            .ok_or_else(|| PollTimeoutError(seconds.to_string()))
    }

    /// The whole seconds.
    pub fn seconds(self) -> u32 {
        self.0.into()
    }

    /// The same as a duration.
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl TryFrom<u32> for PollTimeout {
    type Error = PollTimeoutError;

    fn try_from(seconds: u32) -> Result<Self, PollTimeoutError> {
        Self::new(seconds)
    }
}

impl From<PollTimeout> for u32 {
    fn from(timeout: PollTimeout) -> Self {
        timeout.seconds()
    }
}

impl FromStr for PollTimeout {
    type Err = PollTimeoutError;

    fn from_str(text: &str) -> Result<Self, PollTimeoutError> {
        let seconds = text
            .parse()
            .map_err(|_| PollTimeoutError(crate::Excerpt::new(text).to_string()))?;
        Self::new(seconds)
    }
}

impl fmt::Display for PollTimeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
