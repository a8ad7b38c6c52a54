//! Results that are read as a whole, to show what is in them or to send a part.

use std::time::Duration;

use axum::http::StatusCode;
use bencher_jobs::TokenId;
use tokio::time::Instant;

use super::ApiError;
use crate::app::App;
use crate::outputs::{Kept, Reading};
use crate::room::Held;
use crate::watchers::Full;

/// When those may ask again for whom there was no room.
const AGAIN: Duration = Duration::from_secs(4);

/// What is kept of a job, and the room that it takes.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) bytes: Vec<u8>,
    pub(crate) held: Held,
}

/// All that is kept there, once there is room for it.
///
/// # Errors
///
/// When the storage fails, or there is no room for some seconds.
pub(crate) async fn whole(app: &App, token: TokenId, kept: &Kept) -> Result<Whole, ApiError> {
    let reading = app.outputs.read(kept).await?;
    rest(app, token, reading, None).await
}

/// The same of what is on its way, if the storage gives it until `end`.
///
/// # Errors
///
/// As [`whole`], and when the storage takes longer.
pub(crate) async fn rest(
    app: &App,
    token: TokenId,
    reading: Reading,
    end: Option<Instant>,
) -> Result<Whole, ApiError> {
    let held = app.room.read(token, reading.size()).await;
    let held = held.map_err(full)?;
    let bytes = match end {
        None => reading.whole().await?,
        Some(end) => reading.whole_until(end).await?,
    };
    Ok(Whole { bytes, held })
}

/// There is no room.
pub(super) fn full(full: Full) -> ApiError {
    let error = match full {
        Full::Server => {
            let message = "this server sends as many results as it has memory for: try again later";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "full", message.to_owned())
        }
        Full::Token => {
            let message = "too many results are on their way with this token: wait until some of \
                           them are sent, and try again";
            let status = StatusCode::TOO_MANY_REQUESTS;
            ApiError::new(status, "too_many_results", message.to_owned())
        }
    };
    error.again_after(AGAIN)
}

/// What the storage has is no result, which no other attempt changes.
pub(crate) fn garbled(error: &serde_json::Error) -> ApiError {
    tracing::error!(%error, "what is kept are no results");
    ApiError::lost("what the storage of outputs has there are no results")
}
