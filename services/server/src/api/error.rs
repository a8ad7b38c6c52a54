//! The one form of errors.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
pub(crate) use bencher_server_api::Error as Body;
use bencher_server_api::ErrorDetail;

use crate::key::NoRandomness;
use crate::outputs::OutputError;
use crate::seal::SealError;
use crate::store::StoreError;

/// When those may ask again whose project, or whose server, has too many jobs that wait: nobody knows when
/// the next of them is claimed.
const QUEUED: Duration = Duration::from_secs(29);
/// The same where the database or the storage is away, which may be over at once.
const AWAY: Duration = Duration::from_secs(4);
/// The same where others have to leave first.
const CROWDED: Duration = Duration::from_secs(9);

/// Why a request was not done.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    body: Body,
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            body: Body {
                error: ErrorDetail {
                    code: code.into(),
                    message,
                },
            },
            retry_after: None,
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// For people.
    pub(crate) fn message(&self) -> &str {
        &self.body.error.message
    }

    /// What was sent makes no sense.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message.into())
    }

    pub(crate) fn not_found(what: &str, name: &str) -> Self {
        let name: String = name.chars().take(100).collect();
        let message = format!("there is no {what} `{name}`: list what there is, or check the name");
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn too_often(wait: Duration) -> Self {
        let seconds = wait.as_secs() + 1;
        let mut error = Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_requests",
            format!("too many requests: try again in {seconds} s"),
        );
        error.retry_after = Some(wait);
        error
    }

    /// What is kept of a job can not be read now.
    pub(crate) fn no_storage() -> Self {
        Self::away(
            "storage",
            "the storage of outputs does not answer: try again later",
        )
    }

    /// What is kept of a job is lost for good.
    pub(crate) fn lost(what: &str) -> Self {
        let message = format!("{what}: restore its objects from a backup, or run the job again");
        Self::new(StatusCode::GONE, "lost", message)
    }

    /// The same, of use again after some time.
    pub(crate) fn again_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait),
            ..self
        }
    }

    /// What waits has to become less first.
    fn until_claimed(status: StatusCode, code: &'static str, message: String) -> Self {
        Self::new(status, code, message).again_after(QUEUED)
    }

    /// Others have to leave first.
    pub(crate) fn crowded(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self::new(status, code, message.to_owned()).again_after(CROWDED)
    }

    /// Something that the server needs is away.
    pub(crate) fn away(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, message.into()).again_after(AWAY)
    }

    /// Something that whoever asked can do nothing about, and need not know more about.
    fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "the server failed: its log says why; try again".to_owned(),
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(self.body)).into_response();
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, (wait.as_secs() + 1).into());
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let scheme = header::HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let message = error.to_string();
        match error {
            StoreError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, "not_found", message),
            StoreError::Taken { .. } | StoreError::Published(_) => {
                Self::new(StatusCode::CONFLICT, "taken", message)
            }
            StoreError::NotOver { .. } | StoreError::ComparisonNotOver { .. } => {
                Self::new(StatusCode::CONFLICT, "not_over", message)
            }
            StoreError::OfComparison { .. } => {
                Self::new(StatusCode::CONFLICT, "of_comparison", message)
            }
            StoreError::Quota(error) if error.may_pass() => {
                Self::until_claimed(StatusCode::TOO_MANY_REQUESTS, "quota", message)
            }
            StoreError::Quota(_) => Self::new(StatusCode::FORBIDDEN, "quota", message),
            StoreError::Full(_) => {
                Self::until_claimed(StatusCode::SERVICE_UNAVAILABLE, "full", message)
            }
            StoreError::Beyond { .. } => Self::new(StatusCode::FORBIDDEN, "full", message),
            StoreError::Late(_) => Self::away("late", message),
            // What is wrong is nobody's business, but that it may be over soon is.
            error if error.is_away() => {
                tracing::error!(%error, "a request failed");
                let message = "the database fails: the server's log says why; try again later";
                Self::away("database", message)
            }
            error => Self::internal(&error),
        }
    }
}

impl From<OutputError> for ApiError {
    fn from(error: OutputError) -> Self {
        tracing::error!(%error, "a request failed");
        if error.is_lost() {
            return Self::lost("the storage of outputs does not have it any more");
        }
        Self::no_storage()
    }
}

macro_rules! internal {
    ($($error:ty),*) => {$(
        impl From<$error> for ApiError {
            fn from(error: $error) -> Self {
                Self::internal(&error)
            }
        }
    )*};
}

internal!(NoRandomness, SealError, serde_json::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_may_be_asked_again_and_what_is_broken_not() {
        let lost = || sqlx::Error::Io(std::io::ErrorKind::ConnectionReset.into());
        let away = Some("5");
        for (error, status, again) in [
            (StoreError::Query(lost()).into(), 503, away),
            (StoreError::Open(lost()).into(), 503, away),
            (StoreError::Late(QUEUED).into(), 503, away),
            (StoreError::Torn.into(), 503, away),
            (StoreError::Full(1).into(), 503, Some("30")),
            (OutputError::from(lost_file()).into(), 503, away),
            (
                ApiError::from(StoreError::Number {
                    column: "state",
                    value: -1,
                }),
                500,
                None,
            ),
        ] {
            let error: ApiError = error;
            let message = error.message().to_owned();
            let response = error.into_response();
            let found = response.headers().get(header::RETRY_AFTER);
            let found = found.map(|value| value.to_str().expect("a number"));
            assert_eq!(
                (response.status().as_u16(), found),
                (status, again),
                "{message}"
            );
            // What it says of its connections is for the log.
            assert!(!message.contains("reset"), "{message}");
        }
    }

    fn lost_file() -> std::io::Error {
        std::io::Error::other("the disk is full")
    }
}
