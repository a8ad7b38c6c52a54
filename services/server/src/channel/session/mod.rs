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

mod idle;
mod work;

use std::time::Duration;

use axum::extract::ws::{WebSocket, close_code};
use bencher_channel_protocol::{CloseReason, ConnectionNumber, REPLACED, RunnerMessage};
use bencher_jobs::{ConnectionId, Report, RunnerId};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::handed::Extensions;
use super::socket::{Frame, Gone, Socket};
use crate::app::{App, ended};
use crate::bus::{Entered, Followed};
use crate::dispatch::{Awaited, Unwritten, Welcome};
use crate::live::Writer;
use crate::store::{Opened, Runner};
use crate::telemetry::TraceParent;

/// How often it is written down at most that something came of a runner: less often than it is asked for
/// something ([`crate::settings::PING`]).
const HEARD: Duration = Duration::from_secs(10);

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
    /// The request that submitted it, once that is known.
    trace: Option<TraceParent>,
    /// When the database last heard that it is at work.
    renewed: Option<Instant>,
    /// The database knows that its command has begun.
    is_running: bool,
    /// It was sent on this connection, and nothing was said of it yet.
    is_fresh: bool,
    /// Where what it writes goes, once it may write something.
    writer: Option<Writer>,
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
    /// The runner has opened another connection.
    Another,
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
    /// When it was last noted that something came of the runner.
    noted: Instant,
    metadata: Option<String>,
    extensions: Extensions,
    is_first_ready: bool,
    /// When an update is looked for; none once one was offered.
    next_offer: Option<Instant>,
    wait: Option<Wait>,
    current: Option<Current>,
}

impl Session {
    /// Makes this the runner's connection; older ones end. There is none if a newer one was faster, or if the
    /// runner's key was rotated since it was looked at.
    pub(super) async fn open(
        app: App,
        runner: Runner,
        number: Option<ConnectionNumber>,
        socket: WebSocket,
    ) -> Result<Option<Self>, Unwritten> {
        let socket = Socket::new(socket);
        let connection = ConnectionId::generate();
        // Before it is written down: whatever replaces it from then on is heard of.
        let entered = app.bus.enter(runner.id, connection);
        let opened = Opened {
            id: connection,
            number,
            key_hash: Some(runner.key_hash.clone()),
        };
        let job = match app.dispatcher.connect(runner.id, opened).await? {
            Welcome::Newest(job) => job,
            Welcome::Overtaken => {
                socket.close(close_code::POLICY, REPLACED).await;
                return Ok(None);
            }
        };
        let deleted = match app.store.deleted_job_of(runner.id).await {
            Ok(deleted) => deleted,
            Err(error) => {
                tracing::error!(runner = %runner.id, %error, "its last job can not be looked for");
                return Err(Unwritten);
            }
        };
        // It may still be at the one that was deleted, and is then told to stop.
        let current = deleted.or(job).map(|job| Current {
            followed: app.bus.follow(job),
            trace: None,
            renewed: None,
            is_running: false,
            is_fresh: false,
            writer: None,
        });
        tracing::info!(runner = %runner.id, slug = %runner.slug, %connection, "a runner is here");
        Ok(Some(Self {
            socket,
            runner: runner.id,
            connection,
            entered,
            heard: Instant::now(),
            noted: Instant::now(),
            metadata: runner.metadata,
            extensions: Extensions::default(),
            is_first_ready: true,
            next_offer: Some(Instant::now()),
            wait: None,
            current,
            app,
        }))
    }

    /// Until the connection ends.
    pub(super) async fn run(mut self) {
        let end = loop {
            let event = self.next().await;
            let done = match event {
                Event::Frame(frame) => self.frame(frame).await,
                Event::Awaited(awaited) => self.awaited(awaited).await,
                Event::Time => self.time().await,
                Event::Another => self.another().await,
                Event::Shutdown => Err(End::Shutdown),
            };
            if let Err(end) = done {
                break end;
            }
        };
        tracing::info!(runner = %self.runner, connection = %self.connection, ?end, "a runner left");
        // A job that was given just now is given again when the runner is back.
        let _withdrawn = self.app.dispatcher.withdraw(self.connection).await;
        let (dispatcher, runner, connection) =
            (self.app.dispatcher.clone(), self.runner, self.connection);
        let is_replaced = matches!(end, End::Replaced);
        self.close(end).await;
        // Of one that was replaced it is known; what is not written now is known when nothing is heard of it.
        if !is_replaced {
            let _unwritten = dispatcher.leave(runner, connection).await;
        }
    }

    /// Says why it ends.
    async fn close(self, end: End) {
        match end {
            End::Gone => {}
            End::Silent => {
                let reason = CloseReason::HeartbeatTimeout.wire();
                self.socket.close(close_code::NORMAL, &reason).await;
            }
            End::Replaced => {
                self.socket.close(close_code::POLICY, REPLACED).await;
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
            () = self.entered.another() => Event::Another,
            () = ended(&mut self.app.shutdown) => Event::Shutdown,
            awaited = answered => Event::Awaited(awaited),
            frame = self.socket.receive() => Event::Frame(frame),
            () = sleep_until(until) => Event::Time,
        }
    }

    /// Another connection is most often a newer one, but what is heard of it may have been on its way for
    /// longer than this one is there: the database knows.
    async fn another(&mut self) -> Result<(), End> {
        match self.app.store.runner(&self.runner.to_string()).await {
            Ok(runner) if runner.connection == Some(self.connection) => Ok(()),
            Ok(_) => Err(End::Replaced),
            Err(error) => {
                tracing::error!(runner = %self.runner, %error, "it can not be looked at once more");
                Err(End::Unwritten)
            }
        }
    }

    async fn frame(&mut self, frame: Result<Frame, Gone>) -> Result<(), End> {
        if let Some(wait) = &mut self.wait {
            wait.is_alive = true;
        }
        let frame = frame?;
        if self.noted.elapsed() >= HEARD {
            self.noted = Instant::now();
            self.app.dispatcher.heard(self.runner).await?;
        }
        let Frame::Text(text) = frame else {
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
                self.output(&piece);
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
}

#[cfg(test)]
mod tests;
