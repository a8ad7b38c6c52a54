//! How long a request may take until its answer begins.
//!
//! ```text
//!  headers        the handler asks         the body        the answer
//!  are here         for the body            is here          begins
//!     │────── server ──────│────── client ──────│──── server ────│
//! ```
//!
//! What the client takes to send the body is limited as a whole, and not from piece to piece: one that sends a
//! byte now and then would hold a connection and memory for ever. What the server takes is limited apart from
//! it, so that nobody is blamed for the other. What is answered with a stream begins at once, and is limited
//! no further; neither is a channel, whose answer is its upgrade.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Frame, SizeHint};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::ApiError;
use crate::app::App;

/// How long the server may take.
const ANSWERING: Duration = Duration::from_secs(30);

/// How far a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    /// Nobody has asked for it.
    Unasked,
    /// Its rest is waited for.
    Coming,
    /// It is here, or broke off.
    Over,
}

/// A body that tells how far it is. Once it is dropped nobody waits for it any more.
#[derive(Debug)]
struct Told {
    body: Body,
    stage: watch::Sender<Stage>,
}

impl Told {
    fn tell(&self, stage: Stage) {
        self.stage
            .send_if_modified(|known| std::mem::replace(known, stage) != stage);
    }
}

impl HttpBody for Told {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.tell(Stage::Coming);
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || self.body.is_end_stream() {
            self.tell(Stage::Over);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Until a body has come so far.
async fn reached(stages: &mut watch::Receiver<Stage>, stage: Stage) {
    // One that was dropped is over.
    let _dropped = stages.wait_for(|now| *now >= stage).await;
}

/// Ends requests that wait for what hangs, and those whose body comes too slowly.
pub(super) async fn in_time(State(app): State<App>, request: Request, next: Next) -> Response {
    let most = app.settings.body_time;
    let (stage, mut stages) = watch::channel(Stage::Unasked);
    let request = request.map(|body| Body::new(Told { body, stage }));
    let begun = Instant::now();
    let too_late = async {
        let asked = timeout(ANSWERING, reached(&mut stages, Stage::Coming)).await;
        let left = ANSWERING.saturating_sub(begun.elapsed());
        if asked.is_ok() {
            if timeout(most, reached(&mut stages, Stage::Over))
                .await
                .is_err()
            {
                return slow(most);
            }
            sleep(left).await;
        }
        late()
    };
    tokio::select! {
        biased;
        answer = next.run(request) => answer,
        answer = too_late => answer,
    }
}

fn late() -> Response {
    let message = "the server is too busy, or what it needs does not answer: try again later";
    let status = StatusCode::SERVICE_UNAVAILABLE;
    ApiError::new(status, "late", message.to_owned()).into_response()
}

fn slow(most: Duration) -> Response {
    let message = format!(
        "the request's body was not here after {} s: send it faster, or have --body-timeout raised",
        most.as_secs_f64()
    );
    let mut answer = ApiError::new(StatusCode::REQUEST_TIMEOUT, "slow", message).into_response();
    // Its rest is not read, so nothing can follow.
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}
