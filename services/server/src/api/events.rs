//! Jobs as they go: server-sent events.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use bencher_jobs::{JobId, Reason, State as JobState, TokenId};
use bencher_server_api::{OUTPUT_EVENT, STATE_EVENT, Standing};
use futures_util::Stream;
use tokio::sync::{broadcast, mpsc};
use tokio::time::{Instant, sleep_until};

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::Path;
use super::jobs::find;
use crate::app::{App, ended};
use crate::bus::Change;
use crate::live::Piece;
use crate::watchers::Full;

/// Events that a slow reader may lag behind.
const BACKLOG: usize = 64;
/// How often a connection without news is kept from being taken for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A job's state and output, as they come.
///
/// Events: `state` with `{state, reason?}`, now and at each change; `output` with `{iteration,
/// stream, text}` where the runner sends it while the command runs; the last one is the `state`
/// `processed`, `failed` or `canceled`. Output is shown from some kilobytes before now on, and may have gaps; all of
/// it comes with the results. The stream ends without one where the token is revoked, the job is deleted, or nothing
/// of it is read.
#[utoipa::path(get, path = "/v0/jobs/{job}/events", tag = "jobs", security(("token" = [])),
    params(("job" = String, Path, description = "Its identifier")),
    responses((status = 200, content_type = "text/event-stream", body = String),
        (status = "default", body = ErrorBody)))]
pub(crate) async fn watch(
    State(app): State<App>,
    caller: Caller,
    Path(job): Path<String>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let id = find(&app, &caller, &job).await?.id;
    let watching = app.watchers.enter(caller.token().id).map_err(full)?;
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let reader = Reader {
            sender,
            patience: app.settings.client,
        };
        // Whoever watched may have left, which ends it.
        let _left = follow(&app, id, watching.token(), &reader).await;
        drop(watching);
    });
    let events = futures_util::stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn full(full: Full) -> ApiError {
    match full {
        Full::Server => {
            let message = "too many watch jobs at this server: try again later";
            ApiError::crowded(StatusCode::SERVICE_UNAVAILABLE, "full", message)
        }
        Full::Token => {
            let message = "too many watch jobs with this token: end some of them, or use another \
                           token";
            let status = StatusCode::TOO_MANY_REQUESTS;
            ApiError::crowded(status, "too_many_watchers", message)
        }
    }
}

/// The watcher left, or the job can not be watched any more.
struct Left;

/// Whoever watches.
struct Reader {
    sender: mpsc::Sender<Event>,
    /// How long it may take nothing.
    patience: Duration,
}

impl Reader {
    async fn send(&self, name: &str, data: &impl serde::Serialize) -> Result<(), Left> {
        let event = Event::default().event(name).json_data(data);
        let event = event.map_err(|_| Left)?;
        let sent = self.sender.send_timeout(event, self.patience).await;
        sent.map_err(|_| Left)
    }
}

/// What a job writes, for one who watches.
#[derive(Default)]
struct Output(Option<broadcast::Receiver<Piece>>);

impl Output {
    /// The next piece; never one while nothing comes.
    async fn next(&mut self) -> Result<Piece, broadcast::error::RecvError> {
        match &mut self.0 {
            Some(coming) => coming.recv().await,
            None => std::future::pending().await,
        }
    }

    /// What has come already.
    fn rest(&mut self) -> Option<Piece> {
        loop {
            match self.0.as_mut()?.try_recv() {
                Ok(piece) => return Some(piece),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

async fn follow(app: &App, job: JobId, token: TokenId, reader: &Reader) -> Result<(), Left> {
    // Before the first look, so that no change falls between.
    let mut changes = app.bus.watch();
    let mut shutdown = app.shutdown.clone();
    let mut last: Option<(JobState, Option<Reason>)> = None;
    let mut output = Output::default();
    loop {
        if !app.store.is_token_good(token).await.map_err(|_| Left)? {
            return Err(Left);
        }
        let found = app.store.job(job).await.map_err(|_| Left)?;
        let now = (found.life.state, found.life.reason);
        if !now.0.is_over() {
            if output.0.is_none() {
                let (written, coming) = app.live.watch(job);
                output.0 = Some(coming);
                for piece in written {
                    reader.send(OUTPUT_EVENT, &*piece).await?;
                }
            }
            app.live.ask(job);
        }
        if last != Some(now) {
            last = Some(now);
            if now.0.is_over() {
                // What was written before the end comes before it.
                while let Some(piece) = output.rest() {
                    reader.send(OUTPUT_EVENT, &*piece).await?;
                }
            }
            let standing = Standing {
                state: now.0.name().to_owned(),
                reason: now.1.map(|reason| reason.name().to_owned()),
            };
            reader.send(STATE_EVENT, &standing).await?;
        }
        // Of a completed one the results are yet to be read.
        if now.0.is_over() && now.0 != JobState::Completed {
            return Ok(());
        }
        let next_look = Instant::now() + app.settings.look();
        // Until this job may have changed.
        loop {
            tokio::select! {
                biased;
                () = ended(&mut shutdown) => return Ok(()),
                () = reader.sender.closed() => return Err(Left),
                change = changes.recv() => match change {
                    Ok(Change::Job(other)) if other != job => {}
                    // Others were missed, and perhaps this one.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return Err(Left),
                },
                () = sleep_until(next_look) => break,
                piece = output.next() => match piece {
                    Ok(piece) => reader.send(OUTPUT_EVENT, &*piece).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => {
                        output.0 = None;
                        break;
                    }
                },
            }
        }
    }
}
