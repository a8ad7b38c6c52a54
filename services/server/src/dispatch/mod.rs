//! One task that writes down everything that runners do.
//!
//! ```text
//!  connections ──── wait, withdraw, report ────►┐
//!  submissions, other servers ── wake ─────────►│ round: one transaction
//!  time ── silent and overdue jobs ────────────►┘   1. reports  2. expiry  3. claims
//!                                                   commit, then answers
//! ```
//!
//! What arrives while a round is written is done in the next one, all at once. So a thousand
//! runners that report at the same moment cost one transaction and not a thousand, and an answer
//! is given only once what it says is on the disk.

mod patience;
mod round;

use std::sync::Arc;
use std::time::Duration;

use bencher_jobs::{ConnectionId, Idle, JobId, Report, RunnerId, Timestamp};
use futures_util::FutureExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::bus::Bus;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::{Attached, Changed, Handed, Opened, Store, Waiting};
use round::Round;

/// Requests that may lie here before those who make them have to wait.
const BACKLOG: usize = 4096;
/// Requests of one round.
const BATCH: usize = 512;
/// How long to wait after the database failed.
const PAUSE: Duration = Duration::from_millis(500);

/// What comes of waiting for a job.
#[derive(Debug)]
pub(crate) enum Awaited {
    /// Here it is.
    Job(Box<Handed>),
    /// This connection gets none: there is a newer one, or the runner is archived.
    Refused,
}

/// What comes of a new connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Welcome {
    /// It is its runner's, who had this job last.
    Newest(Option<JobId>),
    /// It was overtaken by a newer one, or the runner's key was rotated: it says nothing and gets nothing.
    Overtaken,
}

/// The dispatcher is gone, or could not write: nothing is known of what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server can not write to its database: try again")]
pub(crate) struct Unwritten;

#[derive(Debug)]
enum Request {
    Wait(Waiting, oneshot::Sender<Awaited>),
    Withdraw(ConnectionId, oneshot::Sender<()>),
    /// Something was heard of a runner, which is written down when time is looked at.
    Heard(RunnerId),
    Write(Work, Reply),
}

type Reply = oneshot::Sender<Result<Done, Unwritten>>;

/// What is to be written.
#[derive(Debug)]
enum Work {
    /// A runner has a new connection.
    Connect(RunnerId, Opened),
    /// A runner's connection has ended.
    Leave(RunnerId, ConnectionId),
    /// A runner asks for a job on a new connection, though it had this one.
    Return(RunnerId, ConnectionId, JobId),
    /// Something was heard of a runner, and what it says of itself.
    See(RunnerId, Option<String>),
    /// A runner says something of a job.
    Report(RunnerId, JobId, Report, Attached),
}

impl Work {
    /// The job that it changes.
    fn job(&self) -> Option<JobId> {
        match self {
            Self::Return(_, _, job) | Self::Report(_, job, ..) => Some(*job),
            Self::Connect(..) | Self::Leave(..) | Self::See(..) => None,
        }
    }
}

/// What was written.
#[derive(Debug)]
enum Done {
    Connected(Welcome),
    Left,
    Returned(Option<Box<Handed>>),
    Seen,
    Reported(Changed),
}

/// Where requests to the dispatcher go.
#[derive(Debug, Clone)]
pub(crate) struct Dispatcher(mpsc::Sender<Request>);

impl Dispatcher {
    /// Starts it. It ends when the last of its handles is dropped.
    pub(crate) fn start(
        store: Store,
        bus: Arc<Bus>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let round = Round::new(store, bus, settings, metrics);
        (Self(sender), tokio::spawn(run(round, receiver)))
    }

    /// Waits for a job. The receiver gets an answer once there is one; dropping it ends the wait, but
    /// a job that was given just before would be lost: see [`Dispatcher::withdraw`].
    ///
    /// # Errors
    ///
    /// When the dispatcher is gone.
    pub(crate) async fn wait(
        &self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<oneshot::Receiver<Awaited>, Unwritten> {
        let (reply, answer) = oneshot::channel();
        let waiting = Waiting {
            idle: Idle {
                runner,
                // They are read with those of all others that begin to wait.
                specs: Vec::new(),
                since: Timestamp::now(),
            },
            connection,
        };
        let request = Request::Wait(waiting, reply);
        self.0.send(request).await.map_err(|_| Unwritten)?;
        Ok(answer)
    }

    /// Ends a wait. After that the receiver either holds a job or never will.
    ///
    /// # Errors
    ///
    /// When the dispatcher is gone.
    pub(crate) async fn withdraw(&self, connection: ConnectionId) -> Result<(), Unwritten> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Withdraw(connection, reply);
        self.0.send(request).await.map_err(|_| Unwritten)?;
        answer.await.map_err(|_| Unwritten)
    }

    /// Comes back once the dispatcher has come to what it was asked, so that it is seen to be at work.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub(crate) async fn comes_round(&self) -> Result<(), Unwritten> {
        // Nobody has this connection.
        self.withdraw(ConnectionId::generate()).await
    }

    /// Makes `opened` the runner's connection, unless it was overtaken.
    ///
    /// # Errors
    ///
    /// When that was not written.
    pub(crate) async fn connect(
        &self,
        runner: RunnerId,
        opened: Opened,
    ) -> Result<Welcome, Unwritten> {
        match self.write(Work::Connect(runner, opened)).await? {
            Done::Connected(welcome) => Ok(welcome),
            _ => Err(Unwritten),
        }
    }

    /// A runner has `connection` no more: unless it has a newer one, it is not connected.
    ///
    /// # Errors
    ///
    /// When that was not written.
    pub(crate) async fn leave(
        &self,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> Result<(), Unwritten> {
        self.write(Work::Leave(runner, connection)).await.map(drop)
    }

    /// Something was heard of a runner. That is not written at once, but with what was heard of all others.
    ///
    /// # Errors
    ///
    /// When the dispatcher is gone.
    pub(crate) async fn heard(&self, runner: RunnerId) -> Result<(), Unwritten> {
        let request = Request::Heard(runner);
        self.0.send(request).await.map_err(|_| Unwritten)
    }

    /// A runner asks for a job on its new `connection`, though it had `job`: it gets it once more if it never
    /// heard of it.
    ///
    /// # Errors
    ///
    /// When that was not written.
    pub(crate) async fn runner_returns(
        &self,
        runner: RunnerId,
        connection: ConnectionId,
        job: JobId,
    ) -> Result<Option<Box<Handed>>, Unwritten> {
        match self.write(Work::Return(runner, connection, job)).await? {
            Done::Returned(handed) => Ok(handed),
            _ => Err(Unwritten),
        }
    }

    /// Something was heard of a runner; `metadata` is what it says of itself.
    ///
    /// # Errors
    ///
    /// When that was not written.
    pub(crate) async fn see(
        &self,
        runner: RunnerId,
        metadata: Option<String>,
    ) -> Result<(), Unwritten> {
        self.write(Work::See(runner, metadata)).await.map(drop)
    }

    /// Writes down what `sender` says of a job.
    ///
    /// # Errors
    ///
    /// When that was not written. It may be said again.
    pub(crate) async fn report(
        &self,
        sender: RunnerId,
        job: JobId,
        report: Report,
        attached: Attached,
    ) -> Result<Changed, Unwritten> {
        match self
            .write(Work::Report(sender, job, report, attached))
            .await?
        {
            Done::Reported(changed) => Ok(changed),
            _ => Err(Unwritten),
        }
    }

    async fn write(&self, work: Work) -> Result<Done, Unwritten> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Write(work, reply);
        self.0.send(request).await.map_err(|_| Unwritten)?;
        answer.await.map_err(|_| Unwritten)?
    }
}

async fn run(mut round: Round, mut requests: mpsc::Receiver<Request>) {
    let mut look = tokio::time::interval(round.interval());
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let bus = round.bus();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        tokio::select! {
            // What has come is written down before time is looked at.
            biased;
            count = requests.recv_many(&mut batch, BATCH) => {
                if count == 0 {
                    return;
                }
            }
            () = bus.dispatcher.notified() => {}
            _ = look.tick() => round.look(),
        }
        for request in batch.drain(..) {
            round.add(request);
        }
        // Where something always lies here already when a round ends, the clock never has its turn above.
        if look.tick().now_or_never().is_some() {
            round.look();
        }
        if let Err(error) = round.write().await {
            tracing::error!(%error, "a round was not written");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use bencher_jobs::State;
    use tokio::time::timeout;

    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn time_is_looked_at_though_requests_never_end() {
        let (_folder, store) = testing::database().await;
        let spec = testing::spec(&store, "s").await;
        let project = testing::project(&store, "p").await;
        let (runner, connection) = testing::runner(&store, "r", spec).await;
        let job = testing::submit_for(&store, project, spec, 1).await[0];
        let settings = Arc::new(Settings {
            heartbeat: Duration::from_secs(3),
            ..Settings::default()
        });
        let (bus, metrics) = (Arc::default(), Arc::default());
        let (dispatcher, _task) = Dispatcher::start(store.clone(), bus, settings, metrics);
        let wait = dispatcher.wait(runner, connection).await.expect("it waits");
        let Awaited::Job(_) = wait.await.expect("an answer") else {
            panic!("it gets none");
        };
        // Something to write always lies there when a round ends; nothing is said of the job.
        let flood = async {
            loop {
                let (reply, _) = oneshot::channel();
                let request = Request::Write(Work::See(runner, None), reply);
                dispatcher.0.send(request).await.expect("it is there");
            }
        };
        let expired = async {
            while store.job(job).await.expect("it").life.state != State::Failed {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = flood => {}
            done = timeout(Duration::from_mins(1), expired) => done.expect("it never expires"),
        }
    }
}
