//! Results that are read as a whole, to show what is in them or to send a part.

use std::time::Duration;

use axum::http::StatusCode;
use bencher_jobs::TokenId;
use tokio::sync::Semaphore;

use super::ApiError;
use crate::app::App;
use crate::outputs::{Kept, Reading};
use crate::room::Held;
use crate::watchers::Full;

/// What is looked into at a time: it takes a processor, and others are for those who wait for other things.
const AT_A_TIME: usize = 2;
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
    rest(app, token, reading).await
}

/// The same of what is on its way.
///
/// # Errors
///
/// As [`whole`].
pub(crate) async fn rest(app: &App, token: TokenId, reading: Reading) -> Result<Whole, ApiError> {
    let held = app.room.read(token, reading.size()).await;
    let held = held.map_err(full)?;
    let bytes = reading.whole().await?;
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

/// Does what takes a processor for long beside all else, and some of it at a time.
pub(crate) async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    static ROOM: Semaphore = Semaphore::const_new(AT_A_TIME);
    let Ok(permit) = ROOM.acquire().await else {
        unreachable!("it is never closed");
    };
    // The work goes on where nobody waits for it any more, and its place is not free before its end.
    let work = move || {
        let done = work();
        drop(permit);
        done
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::timeout;

    use super::*;

    /// What would have come by then.
    const SOON: Duration = Duration::from_millis(100);
    /// The end of what nobody ends.
    const LATE: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn work_is_done_beside_all_else_and_some_of_it_at_a_time() {
        let (sender, mut begun) = mpsc::unbounded_channel();
        let mut works: Vec<_> = (0..AT_A_TIME + 2)
            .map(|number| {
                let (end, ended) = std::sync::mpsc::channel::<()>();
                let sender = sender.clone();
                let work = tokio::spawn(beside(move || {
                    sender.send(number).expect("it is heard");
                    let _ended = ended.recv_timeout(LATE);
                }));
                Some((work, end))
            })
            .collect();
        let mut first = Vec::new();
        for _ in 0..AT_A_TIME {
            first.push(begun.recv().await.expect("it begins"));
        }
        assert!(timeout(SOON, begun.recv()).await.is_err(), "one too many");
        // Nobody waits for it any more, and it goes on.
        let (work, end) = works[first[0]].take().expect("it is there");
        work.abort();
        work.await.expect_err("it was ended");
        assert!(timeout(SOON, begun.recv()).await.is_err(), "one too many");
        drop(end);
        begun.recv().await.expect("the next begins");
        drop(works);
        begun.recv().await.expect("the last begins");
    }
}
