//! The readers of what a registry says, as functions of texts: for the fuzz targets, which nothing of a
//! connection is in the way of.

use std::time::{Duration, SystemTime};

use super::challenge::Challenge;
use super::redirect::{self, Rule};
use super::url::Url;
use super::{RetryPolicy, Secret, blob, image, retry, token};

/// What `WWW-Authenticate` headers ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// A user name and a password.
    Password,
    /// A token.
    Token {
        /// The URL of the server that gives it.
        realm: String,
        /// For whom it is to be.
        service: Option<String>,
        /// What it is to allow.
        scope: Option<String>,
    },
}

/// Where a redirect leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As messages show it.
    pub shown: String,
    /// What is connected to.
    pub host: String,
    /// Whether that is encrypted.
    pub is_encrypted: bool,
    /// Whether the registry's token goes there.
    pub keeps_token: bool,
}

/// Reads `WWW-Authenticate` headers.
pub fn challenge<'a>(headers: impl IntoIterator<Item = &'a str>) -> Option<Asked> {
    Some(match Challenge::find(headers)? {
        Challenge::Basic => Asked::Password,
        Challenge::Bearer {
            realm,
            service,
            scope,
        } => Asked::Token {
            realm,
            service,
            scope,
        },
    })
}

/// Reads a token server's answer: the token, and how long it lives.
pub fn token(answer: &[u8]) -> Option<(Secret, Duration)> {
    let token = token::read_token(answer).ok()?;
    Some((token.secret, token.life))
}

/// Follows a `Location` header of an answer from `url`, or says why not.
///
/// # Errors
/// The message.
pub fn follow(url: &str, location: &str) -> Result<Target, String> {
    let from = Url::parse(url).map_err(|error| error.to_string())?;
    let target = redirect::next(std::slice::from_ref(&from), Some(location), Rule::Anywhere);
    let target = target.map_err(|error| error.to_string())?;
    Ok(Target {
        shown: target.to_string(),
        host: target.uri().host().unwrap_or_default().to_owned(),
        is_encrypted: target.uri().scheme_str() == Some("https"),
        keeps_token: redirect::keeps_token(from.origin(), target.origin()),
    })
}

/// Reads a `Content-Range` header: the first byte, and the whole length.
pub fn content_range(value: &str) -> Option<(u64, Option<u64>)> {
    blob::content_range(value)
}

/// How long a `Retry-After` header makes a pull wait before its second attempt.
pub fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let asked = retry::retry_after(value, now)?;
    RetryPolicy::default().wait(1, Some(asked), 1.0)
}

/// What a manifest is, by its `Content-Type` header and its bytes.
///
/// # Errors
/// The message.
pub fn manifest_type(content_type: &str, bytes: &[u8]) -> Result<String, String> {
    image::kind(image::bare_type(content_type), bytes).map_err(|error| error.to_string())
}
