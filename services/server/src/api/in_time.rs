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
    within(ANSWERING, app.settings.body_time, request, next).await
}

/// The same, where the server may take `answering`, and the client `most`.
async fn within(answering: Duration, most: Duration, request: Request, next: Next) -> Response {
    let (stage, mut stages) = watch::channel(Stage::Unasked);
    let request = request.map(|body| Body::new(Told { body, stage }));
    let begun = Instant::now();
    let too_late = async {
        let asked = timeout(answering, reached(&mut stages, Stage::Coming)).await;
        let left = answering.saturating_sub(begun.elapsed());
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

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::pending;

    use axum::Router;
    use axum::body::to_bytes;
    use axum::middleware::from_fn;
    use axum::routing::post;
    use futures_util::stream;
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::*;

    /// So short that it is over soon.
    const SHORT: Duration = Duration::from_millis(50);
    /// How long a test waits.
    const PATIENCE: Duration = Duration::from_secs(20);
    /// So long that a test has failed before it is over.
    const LONG: Duration = Duration::from_hours(1);

    /// What is answered to a body by a server that waits for ever after `reads` it, or instead.
    async fn answer(answering: Duration, most: Duration, reads: bool, body: Body) -> (u16, String) {
        let handler = move |body: Body| async move {
            if reads {
                let _whole = to_bytes(body, usize::MAX).await;
            }
            pending::<()>().await;
        };
        let limit = move |request: Request, next: Next| within(answering, most, request, next);
        let router = Router::new()
            .route("/", post(handler))
            .layer(from_fn(limit));
        let request = Request::post("/").body(body).expect("a request");
        let answering = TowerToHyperService::new(router).call(request);
        let answer = timeout(PATIENCE, answering).await.expect("an answer");
        let answer = answer.unwrap_or_else(|never: Infallible| match never {});
        let status = answer.status().as_u16();
        let text = to_bytes(answer.into_body(), usize::MAX)
            .await
            .expect("it is here");
        (status, String::from_utf8_lossy(&text).into_owned())
    }

    #[tokio::test]
    async fn a_server_that_hangs_says_so_and_blames_nobody() {
        for (reads, body) in [
            (false, Body::empty()),
            (false, Body::from("a body that nobody asks for")),
            (true, Body::empty()),
            (true, Body::from("a body that is here")),
        ] {
            let (status, text) = answer(SHORT, LONG, reads, body).await;
            assert_eq!(status, 503, "{text}");
            assert!(
                text.contains("\"late\"") && text.contains("too busy"),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn a_client_that_hangs_is_told_so() {
        let never = Body::from_stream(stream::pending::<Result<Bytes, Infallible>>());
        let (status, text) = answer(LONG, SHORT, true, never).await;
        assert_eq!(status, 408, "{text}");
        assert!(text.contains("\"slow\""), "{text}");
    }
}
