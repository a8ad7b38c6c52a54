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
//! no further here; neither is a channel, whose answer is its upgrade.
//!
//! A connection is read into buffers of several KiB, and what is read is a part of its buffer, which stays as long
//! as the part does: a body that comes byte by byte would keep a buffer for each. So a body is copied as it
//! comes, and its buffers are free at once.

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

/// Bytes of a body that are passed on together.
const PIECE: usize = 4 << 10;

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

/// A body that tells how far it is, in few pieces. Once it is dropped nobody waits for it any more.
#[derive(Debug)]
struct Told {
    body: Body,
    stage: watch::Sender<Stage>,
    /// What has come, and was not passed on yet.
    gathered: Vec<u8>,
    is_over: bool,
}

impl Told {
    fn new(body: Body, stage: watch::Sender<Stage>) -> Self {
        Self {
            body,
            stage,
            gathered: Vec::new(),
            is_over: false,
        }
    }

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
        while !self.is_over && self.gathered.len() < PIECE {
            let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
            self.is_over = !matches!(frame, Some(Ok(_))) || self.body.is_end_stream();
            match frame {
                // Nobody asks for trailers.
                Some(Ok(frame)) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.gathered.extend_from_slice(&data);
                }
                Some(Err(error)) => {
                    self.gathered.clear();
                    self.tell(Stage::Over);
                    return Poll::Ready(Some(Err(error)));
                }
                None => {}
            }
        }
        if self.is_over {
            self.tell(Stage::Over);
        }
        let piece = std::mem::take(&mut self.gathered);
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.gathered.is_empty() && (self.is_over || self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let (coming, here) = (self.body.size_hint(), self.gathered.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(coming.lower().saturating_add(here));
        if let Some(upper) = coming.upper() {
            hint.set_upper(upper.saturating_add(here));
        }
        hint
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
    let request = request.map(|body| Body::new(Told::new(body, stage)));
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
    ApiError::away("late", message).into_response()
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
    use std::sync::Arc;

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
        // Who may ask again is told when.
        let again = answer.headers().contains_key(header::RETRY_AFTER);
        assert_eq!(again, status == 503);
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

    /// What a connection is read into.
    struct Buffer(
        Vec<u8>,
        #[expect(dead_code, reason = "it is counted")] Arc<()>,
    );

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }

    #[tokio::test]
    async fn a_body_that_comes_byte_by_byte_keeps_no_buffers() {
        let count = PIECE * 3 + 7;
        let buffers = Arc::new(());
        let most = Arc::new(std::sync::Mutex::new((0, 0)));
        let (counted, seen) = (Arc::clone(&buffers), Arc::clone(&most));
        let bytes = (0..count).map(move |number| {
            let mut seen = seen.lock().expect("no panic");
            seen.0 = seen.0.max(Arc::strong_count(&counted));
            let buffer = Buffer(vec![number.to_le_bytes()[0]; 8192], Arc::clone(&counted));
            Ok::<_, Infallible>(Bytes::from_owner(buffer).split_to(1))
        });
        let (stage, stages) = watch::channel(Stage::Unasked);
        let told = Told::new(Body::from_stream(stream::iter(bytes)), stage);
        let pieces = Body::new(told).into_data_stream();
        let seen = Arc::clone(&most);
        let pieces = futures_util::StreamExt::inspect(pieces, move |_| {
            seen.lock().expect("no panic").1 += 1;
        });
        let body = to_bytes(Body::from_stream(pieces), count).await;
        let body = body.expect("no more than that");
        let expected: Vec<_> = (0..count).map(|number| number.to_le_bytes()[0]).collect();
        assert_eq!(body, expected);
        assert_eq!(*stages.borrow(), Stage::Over);
        let (buffers, pieces) = *most.lock().expect("no panic");
        assert!(buffers <= 4, "{buffers} are kept at a time");
        assert_eq!(pieces, 4);
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_is_none() {
        let pieces = [Ok(Bytes::from_static(b"some")), Err("broken")];
        let (stage, stages) = watch::channel(Stage::Unasked);
        let told = Told::new(Body::from_stream(stream::iter(pieces)), stage);
        let error = to_bytes(Body::new(told), 100).await.expect_err("no end");
        assert!(error.to_string().contains("broken"), "{error}");
        assert_eq!(*stages.borrow(), Stage::Over);
    }
}
