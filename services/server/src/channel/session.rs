//! One connection of a runner.
//!
//! ```text
//!            ready                     job
//!   idle ─────────────► waiting ─────────────► at work
//!    ▲ ▲     no_job        │                      │
//!    │ └───────────────────┘      completed,      │
//!    └──────────────── failed, canceled ──────────┘
//! ```
//!
//! Whether the runner is at work is the database's to know; here is only what the last messages
//! said. A connection ends when the runner is silent (not while it waits: then it is pinged), when
//! it sends what is no message, when a newer connection of it comes, and when the server ends.

use std::time::Duration;

use axum::extract::ws::{WebSocket, close_code};
use bencher_channel_protocol::{
    CloseReason, IterationOutput, LiveOutput, PollTimeout, Ready, RunnerMessage, ServerMessage,
    Terminal,
};
use bencher_jobs::{ConnectionId, JobId, Reply, Report, RunnerId, State};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::handed;
use super::socket::{Frame, Gone, Socket};
use crate::app::{App, ended};
use crate::bus::{Entered, Followed};
use crate::dispatch::{Awaited, Unwritten};
use crate::outputs::Kept;
use crate::store::{Attached, Handed, Runner, StoreError};

/// How long a runner waits for a job if it does not say it.
const POLL: Duration = Duration::from_secs(30);
/// How often a runner that waits is asked whether it is there.
const PING: Duration = Duration::from_secs(20);
/// How often it is written down that a runner that gets no jobs is there.
const SEEN: Duration = Duration::from_mins(5);
/// The longest that a runner may say of itself, in bytes.
const MAX_METADATA: usize = 4096;
/// The longest error that is kept, in bytes.
const MAX_ERROR: usize = bencher_channel_protocol::MAX_ERROR_BYTES;

/// A wait for a job.
#[derive(Debug)]
struct Wait {
    answer: oneshot::Receiver<Awaited>,
    until: Instant,
    next_ping: Instant,
    /// Something came since the last ping.
    is_alive: bool,
}

/// The job that the runner had last.
#[derive(Debug)]
struct Current {
    followed: Followed,
    /// When the database last heard that it is at work.
    renewed: Option<Instant>,
    /// It was sent on this connection, and nothing was said of it yet.
    is_fresh: bool,
}

/// Why a connection ends.
#[derive(Debug)]
enum End {
    Gone,
    Silent,
    Replaced,
    Shutdown,
    Unwritten,
    /// What came is no message.
    Nonsense(String),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Unwritten> for End {
    fn from(_: Unwritten) -> Self {
        Self::Unwritten
    }
}

/// What happens next.
enum Event {
    Frame(Result<Frame, Gone>),
    Awaited(Result<Awaited, oneshot::error::RecvError>),
    Time,
    Replaced,
    Shutdown,
}

/// A runner's connection.
#[derive(Debug)]
pub(super) struct Session {
    app: App,
    socket: Socket,
    runner: RunnerId,
    connection: ConnectionId,
    entered: Entered,
    heard: Instant,
    /// When it was last written down that the runner is there.
    seen: Instant,
    metadata: Option<String>,
    has_live_output: bool,
    is_first_ready: bool,
    wait: Option<Wait>,
    current: Option<Current>,
}

impl Session {
    /// Makes this the runner's connection; older ones end.
    pub(super) async fn open(
        app: App,
        runner: Runner,
        socket: WebSocket,
    ) -> Result<Self, Unwritten> {
        let connection = ConnectionId::generate();
        let entered = app.bus.enter(runner.id, connection);
        let job = app.dispatcher.connect(runner.id, connection).await?;
        let current = job.map(|job| Current {
            followed: app.bus.follow(job),
            renewed: None,
            is_fresh: false,
        });
        tracing::info!(runner = %runner.id, slug = %runner.slug, %connection, "a runner is here");
        Ok(Self {
            socket: Socket::new(socket),
            runner: runner.id,
            connection,
            entered,
            heard: Instant::now(),
            seen: Instant::now(),
            metadata: runner.metadata,
            has_live_output: false,
            is_first_ready: true,
            wait: None,
            current,
            app,
        })
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            let event = self.next().await;
            let done = match event {
                Event::Frame(frame) => self.frame(frame).await,
                Event::Awaited(awaited) => self.awaited(awaited).await,
                Event::Time => self.time().await,
                Event::Replaced => Err(End::Replaced),
                Event::Shutdown => Err(End::Shutdown),
            };
            if let Err(end) = done {
                break end;
            }
        };
        tracing::info!(runner = %self.runner, connection = %self.connection, ?end, "a runner left");
        // A job that was given just now is given again when the runner is back.
        let _withdrawn = self.app.dispatcher.withdraw(self.connection).await;
        match end {
            End::Gone => {}
            End::Silent => {
                let reason = CloseReason::HeartbeatTimeout.wire();
                self.socket.close(close_code::NORMAL, &reason).await;
            }
            End::Replaced => {
                let reason = "a newer connection of this runner was opened, or its key was rotated";
                self.socket.close(close_code::POLICY, reason).await;
            }
            End::Shutdown => {
                let reason = "server shutting down";
                self.socket.close(close_code::AWAY, reason).await;
            }
            End::Unwritten => {
                let reason = "the server can not write to its database";
                self.socket.close(close_code::ERROR, reason).await;
            }
            End::Nonsense(reason) => self.socket.close(close_code::INVALID, &reason).await,
        }
    }

    async fn next(&mut self) -> Event {
        let silent = self.heard + self.app.settings.heartbeat;
        let (answer, until) = match &mut self.wait {
            Some(wait) => (Some(&mut wait.answer), wait.until.min(wait.next_ping)),
            None => (None, silent),
        };
        let answered = async {
            match answer {
                Some(answer) => answer.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = self.entered.replaced() => Event::Replaced,
            () = ended(&mut self.app.shutdown) => Event::Shutdown,
            awaited = answered => Event::Awaited(awaited),
            frame = self.socket.receive() => Event::Frame(frame),
            () = sleep_until(until) => Event::Time,
        }
    }

    async fn frame(&mut self, frame: Result<Frame, Gone>) -> Result<(), End> {
        if let Some(wait) = &mut self.wait {
            wait.is_alive = true;
        }
        let Frame::Text(text) = frame? else {
            return Ok(());
        };
        let message =
            RunnerMessage::decode(&text).map_err(|error| End::Nonsense(error.to_string()))?;
        drop(text);
        self.heard = Instant::now();
        match message {
            RunnerMessage::Ready(ready) => self.ready(ready).await,
            RunnerMessage::Heartbeat => self.sign_of_life(Report::Heartbeat).await,
            RunnerMessage::Running => self.sign_of_life(Report::Running).await,
            RunnerMessage::Output(piece) => {
                self.output(piece);
                Ok(())
            }
            other => match other.into_terminal() {
                Ok(terminal) => self.terminal(terminal).await,
                // All others are above.
                Err(message) => Err(End::Nonsense(format!(
                    "{} is not for here",
                    message.event()
                ))),
            },
        }
    }

    async fn ready(&mut self, ready: Ready) -> Result<(), End> {
        let is_waiting = self.wait.is_some();
        let has_just_got_one = self.current.as_ref().is_some_and(|one| one.is_fresh);
        if is_waiting || has_just_got_one {
            // It asked again, or before it got what it had asked for.
            return Ok(());
        }
        self.describe(&ready).await?;
        if std::mem::take(&mut self.is_first_ready)
            && let Some(current) = &self.current
        {
            let job = current.followed.job();
            let handed = self.app.dispatcher.runner_returns(self.runner, job).await?;
            if let Some(handed) = handed {
                return self.hand(*handed, Duration::ZERO).await;
            }
        }
        self.current = None;
        let patience = ready.poll_timeout.map_or(POLL, PollTimeout::duration);
        self.begin_to_wait(Instant::now() + patience).await
    }

    async fn begin_to_wait(&mut self, until: Instant) -> Result<(), End> {
        let dispatcher = &self.app.dispatcher;
        self.wait = Some(Wait {
            answer: dispatcher.wait(self.runner, self.connection).await?,
            until,
            next_ping: Instant::now() + PING,
            is_alive: true,
        });
        Ok(())
    }

    /// Writes down what the runner says of itself.
    async fn describe(&mut self, ready: &Ready) -> Result<(), End> {
        self.has_live_output = ready.runner.as_ref().is_some_and(|info| info.live_output);
        let metadata = ready
            .runner
            .as_ref()
            .and_then(|info| serde_json::to_string(info).ok());
        if metadata
            .as_ref()
            .is_some_and(|text| text.len() > MAX_METADATA)
        {
            return Err(End::Nonsense("`runner` is too long".to_owned()));
        }
        let is_news = metadata.is_some() && metadata != self.metadata;
        if is_news || self.seen.elapsed() >= SEEN {
            self.seen = Instant::now();
            self.app
                .dispatcher
                .see(self.runner, metadata.clone())
                .await?;
        }
        if is_news {
            self.metadata = metadata;
        }
        Ok(())
    }

    async fn awaited(
        &mut self,
        awaited: Result<Awaited, oneshot::error::RecvError>,
    ) -> Result<(), End> {
        let until = self.wait.take().map(|wait| wait.until);
        match awaited {
            Ok(Awaited::Job(handed)) => {
                let left = until.map(|until| until.saturating_duration_since(Instant::now()));
                self.hand(*handed, left.unwrap_or_default()).await
            }
            Ok(Awaited::Refused) => Err(End::Replaced),
            Err(_) => Err(End::Unwritten),
        }
    }

    /// Sends a job. One that can not be sent fails, and the runner waits on for what is `left`.
    async fn hand(&mut self, handed: Handed, left: Duration) -> Result<(), End> {
        let job = handed.job.id;
        let App { store, tokens, .. } = &self.app;
        match handed::job(&handed, store, tokens, self.has_live_output).await {
            Ok(message) => {
                tracing::info!(runner = %self.runner, %job, "a job goes to its runner");
                if self.has_live_output {
                    self.app.live.begin(job);
                }
                self.current = Some(Current {
                    followed: self.app.bus.follow(job),
                    renewed: None,
                    is_fresh: true,
                });
                self.heard = Instant::now();
                let message = ServerMessage::Job(Box::new(message));
                Ok(self.socket.send(&message).await?)
            }
            Err(error) => {
                tracing::error!(runner = %self.runner, %job, %error, "a job can not be sent");
                let attached = Attached {
                    error: Some(error.to_string()),
                    results: None,
                };
                let report = Report::Failed;
                self.app
                    .dispatcher
                    .report(self.runner, job, report, attached)
                    .await?;
                self.begin_to_wait(Instant::now() + left).await
            }
        }
    }

    /// What is due: a ping, the end of a wait, the end of patience.
    async fn time(&mut self) -> Result<(), End> {
        let Some(wait) = &mut self.wait else {
            return Err(End::Silent);
        };
        let now = Instant::now();
        if now < wait.until {
            if !std::mem::take(&mut wait.is_alive) {
                return Err(End::Gone);
            }
            wait.next_ping = now + PING;
            return Ok(self.socket.ping().await?);
        }
        self.app.dispatcher.withdraw(self.connection).await?;
        let Some(mut wait) = self.wait.take() else {
            return Ok(());
        };
        if let Ok(awaited) = wait.answer.try_recv() {
            return self.awaited(Ok(awaited)).await;
        }
        self.heard = now;
        Ok(self.socket.send(&ServerMessage::NoJob).await?)
    }

    async fn sign_of_life(&mut self, report: Report) -> Result<(), End> {
        let Some(current) = &mut self.current else {
            return Ok(self.socket.send(&ServerMessage::Ack { job: None }).await?);
        };
        current.is_fresh = false;
        let is_recent = current
            .renewed
            .is_some_and(|renewed| renewed.elapsed() < self.app.settings.lease_renewal());
        let is_changed = current.followed.take_changed();
        if report == Report::Heartbeat && is_recent && !is_changed {
            return Ok(self.socket.send(&ServerMessage::Ack { job: None }).await?);
        }
        let job = current.followed.job();
        let changed = self
            .app
            .dispatcher
            .report(self.runner, job, report, Attached::default())
            .await?;
        let message = match changed.reply {
            Reply::Ack => {
                let is_active = changed.state.is_some_and(State::is_active);
                current.renewed = is_active.then(Instant::now);
                ServerMessage::Ack { job: None }
            }
            Reply::Cancel => {
                current.renewed = None;
                ServerMessage::Cancel
            }
        };
        Ok(self.socket.send(&message).await?)
    }

    fn output(&self, piece: LiveOutput) {
        let job = self.current.as_ref().map(|current| current.followed.job());
        // Nobody speaks for another's job.
        if let Some(job) = job
            && job.uuid() == piece.job
            && self.has_live_output
        {
            self.app.live.push(job, piece);
        }
    }

    async fn terminal(&mut self, terminal: Terminal) -> Result<(), End> {
        let job = JobId::from_uuid(terminal.job());
        let (report, results, error) = match terminal {
            Terminal::Completed { results, .. } => (Report::Completed, Some(results), None),
            Terminal::Failed { results, error, .. } => {
                (Report::Failed, Some(results), Some(cut(&error)))
            }
            Terminal::Canceled { .. } => (Report::Canceled, None, None),
        };
        let results = match results {
            Some(results) => keep(&self.app, self.runner, job, &results).await?,
            None => None,
        };
        let attached = Attached { results, error };
        let changed = self
            .app
            .dispatcher
            .report(self.runner, job, report, attached)
            .await?;
        tracing::info!(
            runner = %self.runner, %job, ?report, state = ?changed.state, "a job's end was told"
        );
        if self
            .current
            .as_ref()
            .is_some_and(|current| current.followed.job() == job)
        {
            self.current = None;
            self.app.live.end(job);
        }
        let job = Some(job.uuid());
        Ok(self.socket.send(&ServerMessage::Ack { job }).await?)
    }
}

/// Keeps results before their job says that it has them.
async fn keep(
    app: &App,
    sender: RunnerId,
    job: JobId,
    results: &[IterationOutput],
) -> Result<Option<Kept>, End> {
    // Those of a job that is not this runner's, or that does not take them any more, are kept nowhere.
    match app.store.job(job).await {
        Ok(found) if found.life.takes_results(sender) => {}
        Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => {
            tracing::error!(%job, %error, "results were not kept");
            return Err(End::Unwritten);
        }
    }
    let text = serde_json::to_string(results)
        .map_err(|error| End::Nonsense(format!("the results can not be written: {error}")))?;
    match app.outputs.put(job, text).await {
        Ok(kept) => Ok(Some(kept)),
        Err(error) => {
            tracing::error!(%job, %error, "results were not kept");
            Err(End::Unwritten)
        }
    }
}

/// As much of an error as is kept. PostgreSQL knows no NUL.
fn cut(error: &str) -> String {
    let mut error = error.replace('\0', "\u{fffd}");
    let mut end = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error.truncate(end);
    error
}
