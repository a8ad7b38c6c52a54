//! Jobs as they go: server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use bencher_channel_protocol::LiveOutput;
use bencher_jobs::{JobId, Reason, State as JobState};
use bencher_server_api::{OUTPUT_EVENT, STATE_EVENT, Standing};
use futures_util::Stream;
use tokio::sync::{broadcast, mpsc};

use super::ApiError;
use super::auth::Caller;
use super::error::Body as ErrorBody;
use super::extract::Path;
use super::jobs::find;
use crate::app::{App, ended};

/// Events that a slow reader may lag behind.
const BACKLOG: usize = 64;
/// How often a connection without news is kept from being taken for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// A job's state and output, as they come.
///
/// Events: `state` with `{state, reason?}`, now and at each change; `output` with `{iteration,
/// stream, text}` where the runner sends it while the command runs; the last one is the `state`
/// `processed`, `failed` or `canceled`. Output is shown by the server that the runner is connected to, from some
/// kilobytes before now on; all of it comes with the results.
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
    let permit = Arc::clone(&app.watchers).try_acquire_owned().map_err(|_| {
        let message = "too many watch jobs at this server: try again later".to_owned();
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "full", message)
    })?;
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        // Whoever watched may have left, which ends it.
        let _left = follow(&app, id, &sender).await;
        drop(permit);
    });
    let events = futures_util::stream::unfold(receiver, |mut receiver| async {
        let event = receiver.recv().await?;
        Some((Ok(event), receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// The watcher left, or the job can not be watched any more.
struct Left;

async fn follow(app: &App, job: JobId, sender: &mpsc::Sender<Event>) -> Result<(), Left> {
    // Before the first look, so that no change falls between.
    let mut changes = app.bus.watch();
    let mut shutdown = app.shutdown.clone();
    let mut last: Option<(JobState, Option<Reason>)> = None;
    let mut output: Option<broadcast::Receiver<Arc<LiveOutput>>> = None;
    loop {
        let found = app.store.job(job).await.map_err(|_| Left)?;
        let now = (found.life.state, found.life.reason);
        if output.is_none()
            && let Some((written, coming)) = app.live.watch(job)
        {
            output = Some(coming);
            for piece in written {
                send(sender, OUTPUT_EVENT, &*piece).await?;
            }
        }
        if last != Some(now) {
            last = Some(now);
            if now.0.is_over() {
                // What was written before the end comes before it.
                while let Some(Ok(piece)) = output.as_mut().map(broadcast::Receiver::try_recv) {
                    send(sender, OUTPUT_EVENT, &*piece).await?;
                }
            }
            let standing = Standing {
                state: now.0.name().to_owned(),
                reason: now.1.map(|reason| reason.name().to_owned()),
            };
            send(sender, STATE_EVENT, &standing).await?;
        }
        // Of a completed one the results are yet to be read.
        if now.0.is_over() && now.0 != JobState::Completed {
            return Ok(());
        }
        // Until this job changes.
        loop {
            let piece = async {
                match &mut output {
                    Some(output) => output.recv().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = ended(&mut shutdown) => return Ok(()),
                () = sender.closed() => return Err(Left),
                change = changes.recv() => match change {
                    Ok(other) if other != job => {}
                    // Others were missed, and perhaps this one.
                    Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                    Err(broadcast::error::RecvError::Closed) => return Err(Left),
                },
                piece = piece => match piece {
                    Ok(piece) => send(sender, OUTPUT_EVENT, &*piece).await?,
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => {
                        output = None;
                        break;
                    }
                },
            }
        }
    }
}

async fn send(
    sender: &mpsc::Sender<Event>,
    name: &str,
    data: &impl serde::Serialize,
) -> Result<(), Left> {
    let event = Event::default().event(name).json_data(data);
    let event = event.map_err(|_| Left)?;
    sender.send(event).await.map_err(|_| Left)
}
