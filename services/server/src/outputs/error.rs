//! Why results can not be kept or got.

use std::time::Duration;

use object_store::Error;

use super::OutputPlace;

/// How S3's errors call it that somebody may not do something. Where a list fails nothing but the
/// answer's text says so.
const REFUSALS: [&str; 5] = [
    "AccessDenied",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
];

/// Why a result can not be kept or got.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The storage can not be used at all.
    #[error("failed to use {place} for outputs: {cause}; {advice}")]
    Open {
        /// What was asked for.
        place: String,
        /// Why.
        cause: Box<Error>,
        /// What to do.
        advice: &'static str,
    },
    /// The folder can not be made.
    #[error("failed to make the folder for outputs: {0}; choose a place that you can write to")]
    Folder(#[from] std::io::Error),
    /// One object can not be used.
    #[error("failed to use the results {key}: {cause}")]
    Object {
        /// The object.
        key: String,
        /// Why.
        cause: Box<Error>,
    },
    /// The folder of a job's objects can not be removed.
    #[error("failed to remove the folder {name}: {cause}")]
    Remove {
        /// The folder.
        name: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The storage takes too long.
    #[error("failed to keep the results {key}: not written after {} s", .patience.as_secs())]
    Slow {
        /// The object.
        key: String,
        /// How long it was waited for.
        patience: Duration,
    },
    /// The storage does not give an object in time.
    #[error("failed to read the results {0}: the storage did not give them in time")]
    Late(String),
    /// The storage is another one than at the start.
    #[error(
        "{0} is not the storage of outputs any more: the object `check` of the server's start is \
         not there; mount or restore it, or start the server again"
    )]
    Gone(String),
}

impl OutputError {
    /// The storage can not be used at all.
    pub(super) fn open(place: &OutputPlace, cause: Error) -> Self {
        let text = cause.to_string();
        let is_code = |code: &str| text.contains(&format!("<Code>{code}</Code>"));
        let advice = if matches!(place, OutputPlace::Folder(_)) {
            "choose a place that you can write to with --outputs"
        } else if matches!(cause, Error::NotFound { .. }) || is_code("NoSuchBucket") {
            "make the bucket, or name another one with --outputs"
        } else if matches!(
            cause,
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. }
        ) || REFUSALS.into_iter().any(is_code)
        {
            "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the role of this machine: they \
             must allow to list the bucket, and to put, get and delete objects"
        } else {
            "check --outputs-endpoint and --outputs-region, and that the storage runs"
        };
        Self::Open {
            place: place.to_string(),
            cause: Box::new(cause),
            advice,
        }
    }

    /// One object can not be used.
    pub(super) fn object(key: &str, cause: Error) -> Self {
        Self::Object {
            key: key.to_owned(),
            cause: Box::new(cause),
        }
    }

    /// Whether there is no such object, which no other attempt changes.
    pub fn is_lost(&self) -> bool {
        let Self::Object { cause, .. } = self else {
            return false;
        };
        matches!(**cause, Error::NotFound { .. })
    }
}
