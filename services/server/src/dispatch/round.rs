//! One round: what was reported, what is overdue, who gets what.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bencher_jobs::Timestamp;
use tokio::sync::oneshot;

use super::{Awaited, Done, Reply, Request, Unwritten, Work};
use crate::bus::Bus;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::store::{Claims, Store, StoreError, Transaction, Waiting};

/// Jobs that one round lets expire: others are for the next look.
const EXPIRED: u32 = 256;

/// A runner that waits, and who is told of its job.
#[derive(Debug)]
struct Waiter {
    waiting: Waiting,
    reply: oneshot::Sender<Awaited>,
    /// Nobody has looked for a job for it yet.
    is_new: bool,
    /// What it can run may have changed since that was read.
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
    /// No job expires before runners had the time to tell this server that they are alive.
    began: Instant,
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
        Self {
            store,
            bus,
            settings,
            metrics,
            waiters: Vec::new(),
            work: Vec::new(),
            began: Instant::now(),
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
        self.is_overdue = self.began.elapsed() >= self.settings.heartbeat;
        self.is_again = true;
    }

    pub(super) fn add(&mut self, request: Request) {
        match request {
            Request::Wait(waiting, fleet, reply) => self.waiters.push(Waiter {
                waiting,
                reply,
                is_new: true,
                is_outdated: fleet != self.bus.fleet(),
            }),
            Request::Withdraw(connection, reply) => {
                self.waiters
                    .retain(|waiter| waiter.waiting.connection != connection);
                // Whoever asked may be gone.
                let _gone = reply.send(());
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
        self.refresh().await?;
        // Those who were looked at before wait for something new.
        let is_all = self.bus.take_queued() | std::mem::take(&mut self.is_again);
        let looking: Vec<Waiting> = self
            .waiters
            .iter()
            .filter(|waiter| is_all || waiter.is_new)
            .map(|waiter| waiter.waiting.clone())
            .collect();
        let is_overdue = std::mem::take(&mut self.is_overdue);
        if self.work.is_empty() && looking.is_empty() && !is_overdue {
            return Ok(());
        }
        // In the order of jobs, which is the order in which all servers take their rows.
        self.work.sort_by_key(|(work, _)| work.job());
        let written = self.transact(&looking, is_overdue).await;
        let work = std::mem::take(&mut self.work);
        let (done, claims) = match written {
            Ok(written) => written,
            Err(error) => {
                self.is_again = true;
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

    async fn transact(
        &self,
        looking: &[Waiting],
        is_overdue: bool,
    ) -> Result<(Vec<Done>, Claims), StoreError> {
        let limits = |timeout| self.settings.limits(timeout);
        let mut transaction = self.store.begin().await?;
        let mut done = Vec::with_capacity(self.work.len());
        for (work, _) in &self.work {
            done.push(self.work_on(&mut transaction, work).await?);
        }
        if is_overdue {
            let expired = transaction.expire(Timestamp::now(), EXPIRED).await?;
            if expired > 0 {
                tracing::warn!(
                    jobs = expired,
                    "jobs are failed: their runners are silent or late"
                );
            }
        }
        let claims = transaction.claim(looking, limits).await?;
        self.bus.publish(&transaction.commit().await?);
        Ok((done, claims))
    }

    async fn work_on(
        &self,
        transaction: &mut Transaction,
        work: &Work,
    ) -> Result<Done, StoreError> {
        Ok(match work {
            Work::Connect(runner, connection) => {
                Done::Connected(transaction.connect(*runner, *connection).await?)
            }
            Work::Return(runner, job) => {
                let handed = transaction.runner_returns(*job, *runner).await?;
                Done::Returned(handed.map(Box::new))
            }
            Work::See(runner, metadata) => {
                transaction.see(*runner, metadata.as_deref()).await?;
                Done::Seen
            }
            Work::Report(sender, job, report, attached) => {
                let limits = |timeout| self.settings.limits(timeout);
                Done::Reported(
                    transaction
                        .report(*job, *sender, *report, attached, limits)
                        .await?,
                )
            }
        })
    }

    fn answer(&mut self, claims: Claims) {
        for waiter in &mut self.waiters {
            waiter.is_new = false;
        }
        for handed in claims.handed {
            let is_its = |waiter: &Waiter| waiter.waiting.idle.runner == handed.runner;
            let Some(place) = self.waiters.iter().position(is_its) else {
                continue;
            };
            let waiter = self.waiters.swap_remove(place);
            let latency = Timestamp::now().since(waiter.waiting.idle.since.max(handed.job.created));
            self.metrics.count_claim(latency);
            if waiter.reply.send(Awaited::Job(Box::new(handed))).is_err() {
                // Its connection broke just now: it gets the job when it is back.
                tracing::info!("a runner left before it got its job");
            }
        }
        for runner in claims.refused {
            let is_its = |waiter: &Waiter| waiter.waiting.idle.runner == runner;
            if let Some(place) = self.waiters.iter().position(is_its) {
                let waiter = self.waiters.swap_remove(place);
                let _gone = waiter.reply.send(Awaited::Refused);
            }
        }
        self.metrics.set_waiting(self.waiters.len());
    }

    /// Reads again what those can run of whom it may have changed.
    async fn refresh(&mut self) -> Result<(), StoreError> {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.is_outdated) {
            let runner = waiter.waiting.idle.runner;
            waiter.waiting.idle.specs = self.store.specs_of(runner).await?;
            waiter.is_outdated = false;
            waiter.is_new = true;
        }
        Ok(())
    }
}
