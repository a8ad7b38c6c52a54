//! What can go wrong with a registry.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::redirect::RedirectError;
use super::resolver::AddressError;
use super::token::RealmError;
use super::url::UrlError;
use super::{CredentialError, LeastRate};
use crate::{Digest, DocumentError, Excerpt, ImageErrorReason};

/// Why an image cannot be pulled: one line that says what happened, at which URL (without its
/// query) and what to try. No secret is in it.
#[derive(Debug)]
pub struct RegistryError {
    at: String,
    reason: Box<RegistryErrorReason>,
}

impl RegistryError {
    pub(super) fn new(at: impl fmt::Display, reason: impl Into<Box<RegistryErrorReason>>) -> Self {
        Self {
            at: at.to_string(),
            reason: reason.into(),
        }
    }

    /// The URL, or the image's name if there was no request.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// What happened.
    pub fn reason(&self) -> &RegistryErrorReason {
        &self.reason
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.reason)
    }
}

impl std::error::Error for RegistryError {}

/// What happened between this host and a registry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryErrorReason {
    /// The name look-up found nothing.
    #[error("the host {host} is not known ({error}): check the image's name and the network")]
    UnknownHost {
        /// The host.
        host: Excerpt,
        /// What the look-up said.
        error: String,
    },
    /// Nothing listens there.
    #[error("connection refused: check the host and the port, and that the registry runs")]
    Refused,
    /// Nothing listens there any more.
    #[error("connection refused, although the server answered before: try again once it runs")]
    Lost,
    /// The connection failed or broke.
    #[error("the connection failed ({0}): check the network and try again")]
    Connection(io::Error),
    /// The server's certificate is not trusted, or no encrypted connection comes about.
    #[error(
        "no trusted TLS connection ({0}): give the registry's own CA with --registry-ca, or the \
         host with --insecure-registry if that is meant"
    )]
    Tls(String),
    /// The server does not speak TLS.
    #[error(
        "the server does not speak TLS: check the port, or give the host with --insecure-registry \
         if plain HTTP is meant"
    )]
    NotTls,
    /// A proxy that cannot be used.
    #[error("the proxy of the environment cannot be used ({0}): check HTTPS_PROXY and NO_PROXY")]
    Proxy(String),
    /// The file of certificates is of no use.
    #[error("the CA file {} cannot be used: {reason}", path.display())]
    Ca {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Something took too long.
    #[error("timed out while {0}: check the network and try again")]
    TimedOut(&'static str),
    /// A server that sends next to nothing.
    #[error(
        "too slow, less than {} bytes in {} s: try again later",
        _0.bytes,
        _0.every.as_secs()
    )]
    TooSlow(LeastRate),
    /// An address that the registry must not lead to.
    #[error("{0}")]
    Address(AddressError),
    /// The registry answers with something that is not HTTP as it should be.
    #[error("not an answer of a registry ({0}): check the host and the port")]
    Protocol(String),
    /// No credentials, and they are needed. Many registries also answer so for images that do not
    /// exist.
    #[error(
        "authentication required: check the image's name, log in with `docker login` or `podman \
         login`, or give --username{}",
        hint(.0.as_ref())
    )]
    NoCredentials(Option<CredentialError>),
    /// The credentials are wrong or have expired.
    #[error("the credentials were refused: log in again, or check --username and the password")]
    Unauthorized,
    /// The token that was given is wrong or has expired.
    #[error("the token was refused: check --token, it may have expired")]
    TokenRefused,
    /// Known, and not allowed.
    #[error("access denied: check the image's name and that this user may read it")]
    Forbidden,
    /// Nothing of that name.
    #[error("no such {0}: check the image's name and tag")]
    NotFound(&'static str),
    /// Too many requests, and the registry wants a longer pause than is waited.
    #[error(
        "too many requests{}: try again later, or log in for a higher limit",
        wish(.0.as_ref())
    )]
    TooManyRequests(Option<Duration>),
    /// The registry's own fault.
    #[error("the registry failed (HTTP status {status}{}): try again later", wish(.after.as_ref()))]
    Server {
        /// The HTTP status.
        status: u16,
        /// When to come back, if the registry says so.
        after: Option<Duration>,
    },
    /// Another answer that makes no sense.
    #[error("unexpected HTTP status {0}: check that this is a registry")]
    Status(u16),
    /// A redirect that is not followed.
    #[error("redirects {0}: not followed")]
    Redirect(RedirectError),
    /// What the registry led to failed.
    #[error("leads to {to}: {reason}")]
    Elsewhere {
        /// Scheme, host and port: the rest may be a secret.
        to: String,
        /// What happened there.
        reason: Box<RegistryErrorReason>,
    },
    /// The registry wants a proof of identity that this client does not have.
    #[error("asks for authentication in a way that is not supported (only Basic and Bearer are)")]
    Challenge,
    /// It has no token server, so that there is no token to pull from it.
    #[error("takes a user name and a password only, and gives no tokens for them")]
    NoTokens,
    /// The token server that the registry names is not one that credentials go to.
    #[error("names a token server that is not asked: {0}")]
    Realm(RealmError),
    /// The token server failed.
    #[error("its token server {at}: {reason}")]
    TokenServer {
        /// Scheme, host and port.
        at: String,
        /// What happened there.
        reason: Box<RegistryErrorReason>,
    },
    /// The token server answered without a token.
    #[error("the answer has no token in it")]
    NoToken,
    /// The body ended too early.
    #[error("the data ended after {received} of {expected} bytes: try again")]
    Truncated {
        /// What came, all attempts together.
        received: u64,
        /// The size that the image says.
        expected: u64,
    },
    /// Another length than the image says.
    #[error("the data has {actual}, the image says {expected} bytes: the registry is damaged")]
    Length {
        /// What the image says.
        expected: u64,
        /// What the registry says, or that there was more.
        actual: String,
    },
    /// A part of a blob that was not asked for.
    #[error("another part of the data was sent than the one asked for")]
    Range,
    /// The content is not what its digest says.
    #[error("the content is {actual}, expected {expected}: nothing of it is used")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// More than a document may have.
    #[error("more than {0} bytes for a document that has a few thousand: not read further")]
    TooLarge(u64),
    /// A manifest, an index or a configuration is refused.
    #[error("{0}")]
    Document(DocumentError),
    /// A manifest of a type that is not an image's.
    #[error("has the media type {0}, which is not a container image")]
    NotAnImage(Excerpt),
    /// The parts of the image do not fit together or do not fit this host.
    #[error("{0}")]
    Image(Box<ImageErrorReason>),
    /// No room for the data.
    #[error("no space left to keep the data: make room or choose another cache with --cache-dir")]
    NoSpace,
    /// The data cannot be kept.
    #[error("the data cannot be kept: {0}")]
    Sink(io::Error),
    /// The registry's name makes no URL.
    #[error("cannot be asked: {0}")]
    Url(UrlError),
    /// The pull was told to end.
    #[error("the pull was cancelled; what was received is kept")]
    Cancelled,
    /// An error message in which one of this client's secrets would have stood.
    #[error(
        "the registry sent a password or a token of yours back, in a place where it does not \
         belong: do not trust it, and change that secret"
    )]
    Echo,
}

impl RegistryErrorReason {
    /// Whether the same request may go well a moment later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Lost
            | Self::Connection(_)
            | Self::TimedOut(_)
            | Self::TooSlow(_)
            | Self::TooManyRequests(_)
            | Self::Truncated { .. }
            | Self::Status(408) => true,
            Self::Server { status, .. } => matches!(status, 500 | 502 | 503 | 504),
            Self::TokenServer { reason, .. } | Self::Elsewhere { reason, .. } => {
                reason.is_transient()
            }
            _ => false,
        }
    }

    /// Whether the message has a text in it that a server has chosen.
    pub(super) fn has_foreign_text(&self) -> bool {
        matches!(
            self,
            Self::UnknownHost { .. }
                | Self::Connection(_)
                | Self::Tls(_)
                | Self::Proxy(_)
                | Self::Address(_)
                | Self::Protocol(_)
                | Self::Redirect(_)
                | Self::Realm(_)
                | Self::TokenServer { .. }
                | Self::Elsewhere { .. }
                | Self::Document(_)
                | Self::NotAnImage(_)
                | Self::Image(_)
                | Self::Url(_)
        )
    }

    /// When the server wants to see the request again.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::TooManyRequests(after) | Self::Server { after, .. } => *after,
            Self::TokenServer { reason, .. } | Self::Elsewhere { reason, .. } => {
                reason.retry_after()
            }
            _ => None,
        }
    }

    /// What an error of the file system is to a pull.
    pub(super) fn sink(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoSpace,
            io::ErrorKind::Interrupted => Self::Cancelled,
            _ => Self::Sink(error),
        }
    }
}

impl From<ImageErrorReason> for RegistryErrorReason {
    fn from(reason: ImageErrorReason) -> Self {
        Self::Image(Box::new(reason))
    }
}

fn wish(after: Option<&Duration>) -> String {
    after.map_or_else(String::new, |after| {
        format!(", it asks to wait {} s", after.as_secs())
    })
}

fn hint(error: Option<&CredentialError>) -> String {
    error.map_or_else(String::new, |error| {
        format!(" (those found are of no use: {error})")
    })
}
