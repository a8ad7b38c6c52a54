//! One round: what was reported, what is overdue, who gets what.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bencher_jobs::{ConnectionId, RunnerId, Timestamp};
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
    /// Connections that got a job in the last attempt to write, which may have failed only after that was true.
    doubtful: Mutex<Vec<ConnectionId>>,
}

/// Notes who got a job in this attempt, and nobody else.
fn note(doubtful: &Mutex<Vec<ConnectionId>>, claims: &Claims) {
    let mut doubtful = doubtful.lock().unwrap_or_else(PoisonError::into_inner);
    doubtful.clear();
    doubtful.extend(claims.handed.iter().map(|handed| handed.connection));
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
            doubtful: Mutex::default(),
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
        note(&self.doubtful, &Claims::default());
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
                self.drop_doubtful();
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

    /// Ends the waits of those who may have got a job in a round of which nobody knows whether it was written:
    /// their connections end, and on new ones they get what they have got.
    fn drop_doubtful(&mut self) {
        let mut doubtful = self.doubtful.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in doubtful.drain(..) {
            tracing::warn!(%connection, "nobody knows whether a runner got a job: it connects again");
            self.waiters
                .retain(|waiter| waiter.waiting.connection != connection);
        }
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
                note(doubtful, &Claims::default());
                for runner in &heard {
                    transaction.note_seen(*runner);
                }
                if has_due && let Err(error) = transaction.release(Timestamp::now(), RELEASED).await
                {
                    return (transaction, Err(error));
                }
                let done = self.transact(&mut transaction, &looking, is_overdue).await;
                if let Ok((_, claims)) = &done {
                    note(doubtful, claims);
                }
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
mod tests;
