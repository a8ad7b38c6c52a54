//! One round: what was reported, what is overdue, who gets what.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bencher_jobs::{RunnerId, Timestamp};
use tokio::sync::oneshot;

use super::patience::Patience;
use super::{Awaited, Done, Reply, Request, Unwritten, Welcome, Work};
use crate::bus::Bus;
use crate::metrics::Metrics;
use crate::moment::Moment;
use crate::settings::Settings;
use crate::store::{Claims, Greeting, Heard, Said, Store, StoreError, Transaction, Waiting, What};

/// Jobs that one round lets expire: others are for the next look.
const EXPIRED: u32 = 256;

/// Jobs that one round lets wait again that were held back: others are for the next look.
const RELEASED: u32 = 1024;

/// A runner that waits, and who is told of its job.
#[derive(Debug)]
struct Waiter {
    waiting: Waiting,
    reply: oneshot::Sender<Awaited>,
    /// Nobody has looked for a job for it yet.
    is_new: bool,
    /// What it can run was not read yet, or may have changed since.
    is_outdated: bool,
}

/// What is to be written, and who waits for what.
#[derive(Debug)]
pub(super) struct Round {
    store: Store,
    bus: Arc<Bus>,
    settings: Arc<Settings>,
    metrics: Arc<Metrics>,
    waiters: Vec<Waiter>,
    work: Vec<(Work, Reply)>,
    /// Runners of whom something was heard that is not written down yet.
    heard: BTreeSet<RunnerId>,
    patience: Patience,
    is_overdue: bool,
    /// The last round failed, so all are looked at again.
    is_again: bool,
}

impl Round {
    pub(super) fn new(
        store: Store,
        bus: Arc<Bus>,
        settings: Arc<Settings>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let (heartbeat, interval) = (settings.heartbeat, settings.lease_renewal());
        Self {
            patience: Patience::new(heartbeat, interval, Moment::now()),
            store,
            bus,
            settings,
            metrics,
            waiters: Vec::new(),
            work: Vec::new(),
            heard: BTreeSet::new(),
            is_overdue: false,
            is_again: true,
        }
    }

    pub(super) fn bus(&self) -> Arc<Bus> {
        Arc::clone(&self.bus)
    }

    /// How often time is looked at.
    pub(super) fn interval(&self) -> Duration {
        self.settings.lease_renewal()
    }

    /// Time is looked at in the next round, and everything else too: what was missed is made up for.
    pub(super) fn look(&mut self) {
        self.is_overdue = self.patience.look(Moment::now());
        self.is_again = true;
    }

    pub(super) fn add(&mut self, request: Request) {
        match request {
            Request::Wait(waiting, reply) => self.waiters.push(Waiter {
                waiting,
                reply,
                is_new: true,
                is_outdated: true,
            }),
            Request::Withdraw(connection, reply) => {
                self.waiters
                    .retain(|waiter| waiter.waiting.connection != connection);
                // Whoever asked may be gone.
                let _gone = reply.send(());
            }
            Request::Heard(runner) => {
                self.heard.insert(runner);
            }
            Request::Write(work, reply) => self.work.push((work, reply)),
        }
    }

    /// Writes the round, and answers.
    pub(super) async fn write(&mut self) -> Result<(), StoreError> {
        self.waiters.retain(|waiter| !waiter.reply.is_closed());
        self.metrics.set_waiting(self.waiters.len());
        if self.bus.take_fleet() {
            for waiter in &mut self.waiters {
                waiter.is_outdated = true;
            }
        }
        // In the order in which jobs are changed.
        self.work.sort_by_key(|(work, _)| work.job());
        let written = self.attempt().await;
        let work = std::mem::take(&mut self.work);
        let (done, claims) = match written {
            Ok(written) => written,
            Err(error) => {
                self.is_again = true;
                self.patience.begin_anew(Moment::now());
                for (_, reply) in work {
                    let _gone = reply.send(Err(Unwritten));
                }
                return Err(error);
            }
        };
        for ((work, reply), done) in work.into_iter().zip(done) {
            if let Work::Report(_, _, report, _) = work {
                self.metrics.count_report(report);
            }
            let _gone = reply.send(Ok(done));
        }
        self.answer(claims);
        Ok(())
    }

    /// Makes all changes of the round.
    async fn attempt(&mut self) -> Result<(Vec<Done>, Claims), StoreError> {
        self.refresh().await?;
        // Those who were looked at before wait for something new.
        let is_again = std::mem::take(&mut self.is_again);
        let is_all = self.bus.take_queued() | is_again;
        let looking: Vec<Waiting> = self
            .waiters
            .iter()
            .filter(|waiter| is_all || waiter.is_new)
            .map(|waiter| waiter.waiting.clone())
            .collect();
        let is_overdue = std::mem::take(&mut self.is_overdue);
        let has_due = is_again && self.store.has_due(Timestamp::now()).await?;
        // Those that are connected say something all the time, so it is written seldom, and of all at once.
        let heard = if is_again {
            self.heard.clone()
        } else {
            BTreeSet::new()
        };
        let has_changes = !self.work.is_empty() || is_overdue || has_due || !heard.is_empty();
        if !has_changes && (looking.is_empty() || !self.store.has_queued().await?) {
            return Ok((Vec::new(), Claims::default()));
        }
        let doubtful = &self.doubtful;
        let (done, _told) = self
            .store
            .write(|mut transaction| async {
                for runner in &heard {
                    transaction.note_seen(*runner);
                }
                if has_due && let Err(error) = transaction.release(Timestamp::now(), RELEASED).await
                {
                    return (transaction, Err(error));
                }
                let done = self.transact(&mut transaction, &looking, is_overdue).await;
                (transaction, done)
            })
            .await?;
        if is_again {
            self.heard.clear();
        }
        Ok(done)
    }

    async fn transact(
        &self,
        transaction: &mut Transaction,
        looking: &[Waiting],
        is_overdue: bool,
    ) -> Result<(Vec<Done>, Claims), StoreError> {
        let limits = |timeout| self.settings.limits(timeout);
        let done = self.work_on(transaction).await?;
        if is_overdue {
            transaction.expire(Timestamp::now(), EXPIRED).await?;
        }
        let claims = transaction.claim(looking, limits).await?;
        Ok((done, claims))
    }

    /// Does all work, each kind of it at once, and says in its order what came of it.
    async fn work_on(&self, transaction: &mut Transaction) -> Result<Vec<Done>, StoreError> {
        let greetings: Vec<Greeting> = self
            .work
            .iter()
            .filter_map(|(work, _)| match work {
                Work::Connect(runner, opened) => Some(Greeting {
                    runner: *runner,
                    connection: Some(opened.clone()),
                    left: None,
                    metadata: None,
                }),
                Work::Leave(runner, connection) => Some(Greeting {
                    runner: *runner,
                    connection: None,
                    left: Some(*connection),
                    metadata: None,
                }),
                Work::See(runner, metadata) => Some(Greeting {
                    runner: *runner,
                    connection: None,
                    left: None,
                    metadata: metadata.clone(),
                }),
                Work::Return(..) | Work::Report(..) => None,
            })
            .collect();
        let said: Vec<Said<'_>> = self
            .work
            .iter()
            .filter_map(|(work, _)| match work {
                Work::Return(runner, connection, job) => Some(Said {
                    runner: *runner,
                    job: *job,
                    what: What::Return(*connection),
                }),
                Work::Report(runner, job, report, attached) => Some(Said {
                    runner: *runner,
                    job: *job,
                    what: What::Report(*report, attached),
                }),
                Work::Connect(..) | Work::Leave(..) | Work::See(..) => None,
            })
            .collect();
        for (work, _) in &self.work {
            if let Work::Connect(runner, _) | Work::See(runner, _) = work {
                transaction.note_seen(*runner);
            }
        }
        let newest = transaction.greet(&greetings).await?;
        let limits = |timeout| self.settings.limits(timeout);
        let mut heard = transaction.hear(&said, limits).await?.into_iter();
        let done = self.work.iter().filter_map(|(work, _)| match work {
            Work::Connect(runner, opened) => Some(Done::Connected(match newest.get(runner) {
                Some(newest) if newest.connection == Some(opened.id) => Welcome::Newest(newest.job),
                _ => Welcome::Overtaken,
            })),
            Work::Leave(..) => Some(Done::Left),
            Work::See(..) => Some(Done::Seen),
            Work::Return(..) | Work::Report(..) => heard.next().map(|heard| match heard {
                Heard::Changed(changed) => Done::Reported(changed),
                Heard::Returned(handed) => Done::Returned(handed),
            }),
        });
        Ok(done.collect())
    }

    fn answer(&mut self, claims: Claims) {
        for waiter in &mut self.waiters {
            waiter.is_new = false;
        }
        for handed in claims.handed {
            let is_its = |waiter: &Waiter| waiter.waiting.connection == handed.connection;
            let Some(place) = self.waiters.iter().position(is_its) else {
                continue;
            };
            let waiter = self.waiters.swap_remove(place);
            let latency = Timestamp::now().since(waiter.waiting.idle.since.max(handed.job.created));
            self.metrics.count_claim(latency);
            let (runner, job) = (handed.runner, handed.job.id);
            let trace_id = handed.job.trace_id();
            if waiter.reply.send(Awaited::Job(Box::new(handed))).is_err() {
                // Its connection broke just now: it gets the job when it is back.
                tracing::info!(%runner, %job, trace_id, "a runner left before it got its job");
            }
        }
        for connection in claims.refused {
            let is_its = |waiter: &Waiter| waiter.waiting.connection == connection;
            if let Some(place) = self.waiters.iter().position(is_its) {
                let waiter = self.waiters.swap_remove(place);
                let _gone = waiter.reply.send(Awaited::Refused);
            }
        }
        self.metrics.set_waiting(self.waiters.len());
    }

    /// Reads what those can run who have begun to wait, and of whom it may have changed.
    async fn refresh(&mut self) -> Result<(), StoreError> {
        let runners: Vec<RunnerId> = self
            .waiters
            .iter()
            .filter(|waiter| waiter.is_outdated)
            .map(|waiter| waiter.waiting.idle.runner)
            .collect();
        let specs = self.store.specs_of_all(&runners).await?;
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.is_outdated) {
            let idle = &mut waiter.waiting.idle;
            // A runner may wait on several connections.
            idle.specs = specs.get(&idle.runner).cloned().unwrap_or_default();
            waiter.is_outdated = false;
            waiter.is_new = true;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bencher_jobs::{ConnectionId, Idle};

    use super::*;
    use crate::store::{Opened, testing};

    fn round(store: &Store) -> Round {
        let (bus, metrics) = (Arc::default(), Arc::default());
        Round::new(store.clone(), bus, Arc::default(), metrics)
    }

    /// A runner waits.
    fn wait(
        round: &mut Round,
        runner: RunnerId,
        connection: ConnectionId,
    ) -> oneshot::Receiver<Awaited> {
        let (reply, answer) = oneshot::channel();
        let idle = Idle {
            runner,
            specs: Vec::new(),
            since: Timestamp::now(),
        };
        round.add(Request::Wait(Waiting { idle, connection }, reply));
        answer
    }

    #[tokio::test]
    async fn who_waits_on_two_connections_gets_a_job_on_the_newer_one() {
        let (_folder, store) = testing::database().await;
        let spec = testing::spec(&store, "s").await;
        let project = testing::project(&store, "p").await;
        let mut round = round(&store);
        for (slug, is_older_first) in [("a", true), ("b", false)] {
            let (runner, older) = testing::runner(&store, slug, spec).await;
            let (reply, connected) = oneshot::channel();
            let newer = ConnectionId::generate();
            let opened = Opened {
                id: newer,
                number: None,
                key_hash: None,
            };
            let mut answers = if is_older_first {
                [older, newer].map(|connection| wait(&mut round, runner, connection))
            } else {
                let mut answers =
                    [newer, older].map(|connection| wait(&mut round, runner, connection));
                answers.reverse();
                answers
            };
            round.add(Request::Write(Work::Connect(runner, opened), reply));
            let job = testing::submit_for(&store, project, spec, 1).await[0];
            round.write().await.expect("it is written");
            let connected = connected.await.expect("an answer").expect("it is written");
            assert!(matches!(connected, Done::Connected(Welcome::Newest(None))));
            let [older, newer] = &mut answers;
            assert!(matches!(older.try_recv(), Ok(Awaited::Refused)), "{slug}");
            let Ok(Awaited::Job(handed)) = newer.try_recv() else {
                panic!("{slug}: it gets none");
            };
            assert_eq!(handed.job.id, job);
        }
    }

    #[tokio::test]
    async fn what_a_runner_can_run_is_known_on_all_of_its_connections() {
        let (_folder, store) = testing::database().await;
        let spec = testing::spec(&store, "s").await;
        let project = testing::project(&store, "p").await;
        let (runner, newer) = testing::runner(&store, "r", spec).await;
        let mut round = round(&store);
        let older = wait(&mut round, runner, ConnectionId::generate());
        let mut newer = wait(&mut round, runner, newer);
        round.write().await.expect("it is written");
        drop(older);
        testing::submit_for(&store, project, spec, 1).await;
        round.look();
        round.write().await.expect("it is written");
        assert!(matches!(newer.try_recv(), Ok(Awaited::Job(_))));
    }

    #[tokio::test]
    async fn what_is_heard_of_runners_is_written_when_time_is_looked_at() {
        let (_folder, store) = testing::database().await;
        let spec = testing::spec(&store, "s").await;
        let (runner, _) = testing::runner(&store, "r", spec).await;
        let mut round = round(&store);
        let seen = async || store.runner("r").await.expect("it is there").seen;
        round.write().await.expect("it is written");
        round.add(Request::Heard(runner));
        round.write().await.expect("it is written");
        assert_eq!(seen().await, None);
        round.look();
        round.write().await.expect("it is written");
        assert!(seen().await.is_some());
        assert!(round.heard.is_empty());
        // What could not be written is not forgotten.
        round.add(Request::Heard(runner));
        round.look();
        store.close().await;
        round.write().await.expect_err("the database is gone");
        assert!(round.heard.contains(&runner));
    }

    #[tokio::test]
    async fn what_could_not_be_written_gives_runners_more_time() {
        let (_folder, store) = testing::database().await;
        let settings = Settings {
            heartbeat: Duration::from_secs(2),
            ..Settings::default()
        };
        let (bus, metrics) = (Arc::default(), Arc::default());
        let mut round = Round::new(store.clone(), bus, Arc::new(settings), metrics);
        // A disk that is very busy makes it late, and then it begins anew.
        for attempt in 0.. {
            while !round.is_overdue {
                tokio::time::sleep(Duration::from_millis(100)).await;
                round.look();
            }
            round.write().await.expect("it is written");
            round.look();
            if round.is_overdue {
                break;
            }
            assert!(attempt < 5, "silence does not count as before");
        }
        store.close().await;
        round.write().await.expect_err("the database is gone");
        round.look();
        assert!(!round.is_overdue);
    }
}
