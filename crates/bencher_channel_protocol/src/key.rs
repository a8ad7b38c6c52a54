//! Secrets: a runner's key and a job's pull token. Neither can be printed by accident, and both are
//! wiped from memory when they are dropped.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::Zeroizing;

/// What every key begins with.
const PREFIX: &str = "bencher_runner_";

/// The longest key, in bytes.
const MAX_KEY: usize = 255;

/// The key of a runner: `bencher_runner_` and what the server made for it.
#[derive(Clone, PartialEq, Eq)]
pub struct RunnerKey(Zeroizing<String>);

/// A text that is no key. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It does not begin as keys do.
    #[error("this is no key of a runner: it does not begin with `bencher_runner_`")]
    Prefix,
    /// It is too short or too long.
    #[error(
        "this is no key of a runner: it ends after `bencher_runner_`, or has more than 255 characters"
    )]
    Length,
    /// It holds something that no key has.
    #[error(
        "this is no key of a runner: character {0} is not a letter, a digit, `_`, `-`, `.` or `~`"
    )]
    Character(usize),
}

impl RunnerKey {
    /// The whole key, prefix included, as it stands after `Bearer `.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunnerKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let rest = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        if rest.is_empty() || text.len() > MAX_KEY {
            return Err(KeyError::Length);
        }
        let is_known = |character: char| {
            character.is_ascii_alphanumeric() || matches!(character, '_' | '-' | '.' | '~')
        };
        match text.chars().position(|character| !is_known(character)) {
            Some(position) => Err(KeyError::Character(position + 1)),
            None => Ok(Self(Zeroizing::new(text.to_owned()))),
        }
    }
}

impl fmt::Debug for RunnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RunnerKey(…)")
    }
}

/// The token that a job's image is pulled with: for its registry and nobody else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PullToken(Zeroizing<String>);

impl PullToken {
    /// The token of this text. Its bounds are those of the job that it belongs to.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The token's text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PullToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PullToken(…)")
    }
}
