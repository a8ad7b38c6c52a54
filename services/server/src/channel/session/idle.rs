//! A runner that has nothing to do: what it says of itself, its wait for a job, and the job.

use std::time::Duration;

use bencher_channel_protocol::{PollTimeout, Ready, ServerMessage, Update};
use bencher_jobs::{Report, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Current, End, Session, Wait};
use crate::app::App;
use crate::channel::handed::{self, Extensions, Fate};
use crate::dispatch::Awaited;
use crate::releases;
use crate::settings::PING;
use crate::store::{Attached, Handed, Hold};

/// How long a runner waits for a job if it does not say it.
const POLL: Duration = Duration::from_secs(30);
/// How often an update is looked for, at most.
const OFFERS: Duration = Duration::from_secs(10);
/// The longest that a runner may say of itself, in bytes.
const MAX_METADATA: usize = 4096;

impl Session {
    pub(super) async fn ready(&mut self, ready: Ready) -> Result<(), End> {
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
            let handed = self
                .app
                .dispatcher
                .runner_returns(self.runner, self.connection, job)
                .await?;
            if let Some(handed) = handed {
                return self.hand(*handed, Duration::ZERO).await;
            }
        }
        self.current = None;
        if let Some(update) = self.offer(&ready).await {
            return Ok(self.socket.send(&ServerMessage::Update(update)).await?);
        }
        let patience = ready.poll_timeout.map_or(POLL, PollTimeout::duration);
        self.begin_to_wait(Instant::now() + patience).await
    }

    /// The program that the runner is to become, if it is one for updates: once on a connection.
    async fn offer(&mut self, ready: &Ready) -> Option<Update> {
        let info = ready.runner.as_ref()?;
        if self.next_offer.is_none_or(|next| Instant::now() < next) {
            return None;
        }
        self.next_offer = Some(Instant::now() + OFFERS);
        match releases::offer(&self.app.store, self.runner, info).await {
            Ok(Some(update)) => {
                tracing::info!(runner = %self.runner, version = update.version, "an update is offered");
                self.next_offer = None;
                Some(update)
            }
            Ok(None) => None,
            Err(error) => {
                // It gets jobs all the same.
                tracing::error!(runner = %self.runner, %error, "no update is looked for");
                None
            }
        }
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
        self.extensions = Extensions::of(ready);
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
        if is_news {
            self.app
                .dispatcher
                .see(self.runner, metadata.clone())
                .await?;
            self.metadata = metadata;
        }
        Ok(())
    }

    pub(super) async fn awaited(
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

    /// Sends a job. One that can not be sent fails or waits once more, and the runner waits on for what is
    /// `left`.
    async fn hand(&mut self, handed: Handed, left: Duration) -> Result<(), End> {
        let job = handed.job.id;
        let trace_id = handed.job.trace_id();
        match handed::job(&self.app, &handed, self.extensions).await {
            Ok(message) => {
                tracing::info!(runner = %self.runner, %job, trace_id, "a job goes to its runner");
                self.current = Some(Current {
                    followed: self.app.bus.follow(job),
                    trace: handed.job.trace,
                    renewed: None,
                    is_running: false,
                    is_fresh: true,
                    writer: self
                        .extensions
                        .live_output
                        .then(|| self.app.live.begin(job)),
                });
                self.heard = Instant::now();
                let message = ServerMessage::Job(Box::new(message));
                Ok(self.socket.send(&message).await?)
            }
            Err(error) => {
                let fate = error.fate();
                tracing::error!(runner = %self.runner, %job, trace_id, %error, ?fate, "a job can not be sent");
                match fate {
                    Fate::Fails => {
                        let attached = Attached {
                            error: Some(error.to_string()),
                            ..Attached::default()
                        };
                        let report = Report::Failed;
                        self.app
                            .dispatcher
                            .report(self.runner, job, report, attached)
                            .await?;
                    }
                    Fate::Waits(pause) => {
                        let hold = Hold {
                            runner: self.runner,
                            connection: self.connection,
                            job,
                            until: Timestamp::now().after(pause),
                            why: &error.to_string(),
                        };
                        put_back(&self.app, &hold).await?;
                    }
                    Fate::Stays => return Err(End::Unwritten),
                }
                self.begin_to_wait(Instant::now() + left).await
            }
        }
    }

    /// What is due: a ping, the end of a wait, the end of patience.
    pub(super) async fn time(&mut self) -> Result<(), End> {
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
}

/// Lets a job that was not sent wait once more.
async fn put_back(app: &App, hold: &Hold<'_>) -> Result<(), End> {
    let done = app
        .write(|mut transaction| async {
            let done = transaction.put_back(hold).await;
            (transaction, done)
        })
        .await;
    match done {
        Ok(true) => Ok(()),
        // It is another connection's.
        Ok(false) => Err(End::Unwritten),
        Err(error) => {
            tracing::error!(runner = %hold.runner, job = %hold.job, %error, "a job is not put back");
            Err(End::Unwritten)
        }
    }
}
