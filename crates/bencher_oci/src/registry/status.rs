//! What an HTTP status means to a pull.

use std::time::{Duration, SystemTime};

use ureq::http::header::RETRY_AFTER;

use super::RegistryErrorReason;
use super::http::Answer;
use super::retry::retry_after;

/// The answer if it is a success, else what it means; `what` is what was asked for.
pub(super) fn check_status(
    answer: Answer,
    date: SystemTime,
    what: &'static str,
) -> Result<Answer, RegistryErrorReason> {
    let after = || {
        answer
            .header(RETRY_AFTER)
            .and_then(|value| retry_after(value, date))
    };
    match answer.status {
        200 | 206 => Ok(answer),
        status => Err(reason(status, after(), what)),
    }
}

fn reason(status: u16, after: Option<Duration>, what: &'static str) -> RegistryErrorReason {
    match status {
        401 => RegistryErrorReason::NoCredentials(None),
        403 => RegistryErrorReason::Forbidden,
        404 | 410 => RegistryErrorReason::NotFound(what),
        429 => RegistryErrorReason::TooManyRequests(after),
        500..=599 => RegistryErrorReason::Server { status, after },
        _ => RegistryErrorReason::Status(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        let after = Some(Duration::from_secs(7));
        for (status, message, is_transient) in [
            (
                403,
                "access denied: check the image's name and that this user may read it",
                false,
            ),
            (404, "no such blob: check the image's name and tag", false),
            (
                429,
                "too many requests, it asks to wait 7 s: try again later, or log in for a higher \
                 limit",
                true,
            ),
            (
                503,
                "the registry failed (HTTP status 503, it asks to wait 7 s): try again later",
                true,
            ),
            (
                501,
                "the registry failed (HTTP status 501, it asks to wait 7 s): try again later",
                false,
            ),
            (
                418,
                "unexpected HTTP status 418: check that this is a registry",
                false,
            ),
        ] {
            let reason = reason(status, after, "blob");
            assert_eq!(reason.to_string(), message);
            assert_eq!(reason.is_transient(), is_transient, "{status}");
        }
    }
}
