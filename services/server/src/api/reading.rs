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

/// The same of what is on its way, if the storage gives it in the time that is `left` once there is room.
///
/// # Errors
///
/// As [`whole`], and when the storage takes longer.
pub(crate) async fn rest(
    app: &App,
    token: TokenId,
    reading: Reading,
    left: Option<Duration>,
) -> Result<Whole, ApiError> {
    let held = app.room.read(token, reading.size()).await;
    let held = held.map_err(full)?;
    let bytes = match left {
        None => reading.whole().await?,
        Some(left) => reading.whole_until(Instant::now() + left).await?,
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

#[cfg(test)]
mod tests {
    use bencher_jobs::JobId;
    use tokio::time::sleep;

    use super::*;
    use crate::server::Server;

    #[tokio::test]
    async fn what_waits_for_room_costs_the_storage_no_time() {
        const LEFT: Duration = Duration::from_secs(1);
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::in_folder(folder.path()).await;
        let app = server.app();
        // More than is kept in the database.
        let results = format!("[{}]", " ".repeat(40_000));
        let kept = app.outputs.put(JobId::generate(), results.clone()).await;
        let reading = app.outputs.read(&kept.expect("kept")).await;
        let reading = reading.expect("it begins");
        let token = TokenId::generate();
        let all = app.room.take(token, usize::MAX).await.expect("there is");
        // There is no room for longer than the storage has time.
        let freeing = async {
            sleep(LEFT * 3 / 2).await;
            drop(all);
        };
        let rest = rest(app, token, reading, Some(LEFT));
        let (whole, ()) = tokio::join!(rest, freeing);
        assert_eq!(whole.expect("in time").bytes, results.as_bytes());
    }
}
