//! How a runner is named: by its UUID or by its slug.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use uuid::Uuid;

use crate::Excerpt;

/// The longest slug, in characters.
const MAX_SLUG: usize = 64;

/// A runner's UUID or slug. A slug is lower-case letters and digits in groups joined by single
/// hyphens, 64 characters at most, so that it needs no escape in a path.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum RunnerId {
    /// The UUID.
    Uuid(Uuid),
    /// The slug.
    Slug(Box<str>),
}

/// A text that names no runner.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0} is neither the UUID of a runner nor a slug: a slug is lower-case letters and digits in \
     groups joined by single hyphens, 64 characters at most"
)]
pub struct RunnerIdError(Excerpt);

fn is_slug(text: &str) -> bool {
    text.len() <= MAX_SLUG
        && text.split('-').all(|group| {
            !group.is_empty()
                && group
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

impl FromStr for RunnerId {
    type Err = RunnerIdError;

    fn from_str(text: &str) -> Result<Self, RunnerIdError> {
        // Only the form with hyphens: 32 digits in a row are a slug as well.
        if text.len() == 36
            && let Ok(uuid) = Uuid::try_parse(text)
        {
            return Ok(Self::Uuid(uuid));
        }
        if is_slug(text) {
            return Ok(Self::Slug(text.into()));
        }
        Err(RunnerIdError(Excerpt::new(text)))
    }
}

impl TryFrom<String> for RunnerId {
    type Error = RunnerIdError;

    fn try_from(text: String) -> Result<Self, RunnerIdError> {
        text.parse()
    }
}

impl From<RunnerId> for String {
    fn from(id: RunnerId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for RunnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Slug(slug) => f.write_str(slug),
        }
    }
}
