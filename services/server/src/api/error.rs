//! The one form of errors.

use std::time::Duration;

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
pub(crate) use bencher_server_api::Error as Body;
use bencher_server_api::ErrorDetail;

use crate::dispatch::Unwritten;
use crate::key::NoRandomness;
use crate::outputs::OutputError;
use crate::seal::SealError;
use crate::store::StoreError;

/// When those may ask again whose project, or whose server, has too many jobs that wait: nobody knows when
/// the next of them is claimed.
const QUEUED: Duration = Duration::from_secs(29);

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
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "storage",
            "the storage of outputs does not answer: try again later".to_owned(),
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
        Self {
            retry_after: Some(QUEUED),
            ..Self::new(status, code, message)
        }
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
            StoreError::Late(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "late", message),
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

internal!(Unwritten, NoRandomness, SealError, serde_json::Error);
