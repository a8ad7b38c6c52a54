//! A job's state changes: by its runner, by time, by users.

use std::fmt::Write as _;

use bencher_jobs::{
    JobId, Life, Limits, Reason, Reply, Report, Return, RunnerId, State, Timestamp,
};
use sqlx::AssertSqlSafe;

use super::super::row::all;
use super::super::transaction::Counts;
use super::super::{Signal, StoreError, Transaction};
use super::{Handed, Job};
use crate::outputs::Kept;

/// What a report did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// What the runner is told.
    pub reply: Reply,
    /// Where the job stands; nothing: there is no such job.
    pub state: Option<State>,
    /// Why it failed or was canceled.
    pub reason: Option<Reason>,
}

/// What comes with a report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attached {
    /// Where the results are.
    pub results: Option<Kept>,
    /// What the runner says went wrong.
    pub error: Option<String>,
}

impl Transaction {
    /// Takes a job, so that nobody else changes it until the end.
    pub(super) async fn take_job(&mut self, id: JobId) -> Result<Option<Job>, StoreError> {
        let query = self.locking("SELECT * FROM jobs WHERE id = $1");
        sqlx::query(query)
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?
            .map(|row| Job::read(&row))
            .transpose()
    }

    /// Writes down that `job` goes on as `next`.
    async fn save(&mut self, job: &Job, next: &Life) -> Result<(), StoreError> {
        self.save_with(job, next, &[]).await
    }

    /// As [`Transaction::save`], with columns of text. All in one: PostgreSQL takes a row that is
    /// changed twice in one transaction for new, and locks what it refers to.
    async fn save_with(
        &mut self,
        job: &Job,
        next: &Life,
        texts: &[(&'static str, Option<&str>)],
    ) -> Result<(), StoreError> {
        let milliseconds = |time: Option<Timestamp>| time.map(Timestamp::milliseconds);
        let mut query = "UPDATE jobs SET state = $1, reason = $2, runner = $3, is_confirmed = $4, \
             lease = $5, deadline = $6, claimed = $7, started = $8, ended = $9"
            .to_owned();
        for (place, (column, _)) in (11..).zip(texts) {
            let _ = write!(query, ", {column} = ${place}");
        }
        query += " WHERE id = $10";
        // Put together of constants only.
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(next.state.name())
            .bind(next.reason.map(Reason::name))
            .bind(next.runner.map(|runner| runner.to_string()))
            .bind(i64::from(next.is_confirmed))
            .bind(milliseconds(next.lease))
            .bind(milliseconds(next.deadline))
            .bind(milliseconds(next.claimed))
            .bind(milliseconds(next.started))
            .bind(milliseconds(next.ended))
            .bind(job.id.to_string());
        for (_, text) in texts {
            query = query.bind(text.map(str::to_owned));
        }
        query.execute(self.connection()).await?;
        self.note_change(job, next);
        Ok(())
    }

    /// Counts `job`'s change to `next`, and tells of it.
    pub(super) fn note_change(&mut self, job: &Job, next: &Life) {
        if job.life.state == next.state && job.life.reason == next.reason {
            return;
        }
        let one = |is_so: bool| i64::from(is_so);
        let change = Counts {
            queued: one(next.state == State::Pending) - one(job.life.state == State::Pending),
            active: one(next.state.is_active()) - one(job.life.state.is_active()),
        };
        self.count(job.project, change);
        self.signal(Signal::Job(job.id));
        if change.active < 0 {
            // Its project may have room for another one.
            self.signal(Signal::Queued);
        }
    }

    /// Takes in what `sender` says of a job. `limits` are for a job with so many seconds.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn report(
        &mut self,
        id: JobId,
        sender: RunnerId,
        report: Report,
        attached: &Attached,
        limits: impl Fn(u32) -> Limits,
    ) -> Result<Changed, StoreError> {
        let Some(job) = self.take_job(id).await? else {
            return Ok(Changed {
                reply: Reply::Ack,
                state: None,
                reason: None,
            });
        };
        let limits = limits(job.timeout);
        let answer = job.life.report(sender, report, Timestamp::now(), &limits);
        if let Some(next) = &answer.next {
            let results = attached.results.as_ref().map(Kept::column);
            let texts = [("results", results), ("error", attached.error.as_deref())];
            let texts = if answer.takes_results {
                &texts[..]
            } else {
                &[]
            };
            self.save_with(&job, next, texts).await?;
            if next.state.is_active() {
                self.see(sender, None).await?;
            }
        }
        let life = answer.next.as_ref().unwrap_or(&job.life);
        Ok(Changed {
            reply: answer.reply,
            state: Some(life.state),
            reason: life.reason,
        })
    }

    /// A job's runner asks for one on a new connection: it gets this one once more if it never heard
    /// of it, else the job has failed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn runner_returns(
        &mut self,
        id: JobId,
        runner: RunnerId,
    ) -> Result<Option<Handed>, StoreError> {
        let Some(job) = self.take_job(id).await? else {
            return Ok(None);
        };
        if job.life.runner != Some(runner) {
            return Ok(None);
        }
        match job.life.runner_returns(Timestamp::now()) {
            Return::Nothing => Ok(None),
            Return::Lost(next) => {
                self.save(&job, &next).await?;
                Ok(None)
            }
            Return::Redeliver => {
                let spec = self.spec_by_id(job.spec).await?;
                Ok(Some(Handed { runner, job, spec }))
            }
        }
    }

    /// Stops a job that is not over, with all that waits of its comparison: one side alone is
    /// worth nothing. Says whether anything was stopped.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn cancel(&mut self, id: JobId) -> Result<bool, StoreError> {
        let job = self
            .take_job(id)
            .await?
            .ok_or_else(|| StoreError::not_found("job", &id.to_string()))?;
        let now = Timestamp::now();
        let Some(next) = job.life.cancel(now) else {
            return Ok(false);
        };
        self.save(&job, &next).await?;
        if let Some(side) = job.comparison {
            let query = self.locking(
                "SELECT * FROM jobs WHERE comparison = $1 AND state = 'pending' ORDER BY id",
            );
            let rows = sqlx::query(query)
                .bind(side.comparison.to_string())
                .fetch_all(self.connection())
                .await?;
            for other in all(&rows, Job::read)? {
                if let Some(next) = other.life.cancel(now) {
                    self.save(&other, &next).await?;
                }
            }
        }
        Ok(true)
    }

    /// Fails what waits for a machine that is gone.
    pub(crate) async fn abandon_bound(
        &mut self,
        runner: RunnerId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = self.locking(
            "SELECT * FROM jobs WHERE bound_to = $1 AND state = 'pending' \
             AND bound_to IS NOT NULL ORDER BY id",
        );
        let rows = sqlx::query(query)
            .bind(runner.to_string())
            .fetch_all(self.connection())
            .await?;
        for job in all(&rows, Job::read)? {
            if let Some(next) = job.life.abandon(now) {
                self.save(&job, &next).await?;
            }
        }
        Ok(())
    }

    /// Fails jobs whose runner was silent for too long or whose time is over, at most `limit`, and
    /// says how many there were.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn expire(&mut self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        let query = self.skipping(
            "SELECT * FROM jobs WHERE state IN ('claimed', 'running') \
             AND (lease < $1 OR deadline < $1) ORDER BY id LIMIT $2",
        );
        let rows = sqlx::query(query)
            .bind(now.milliseconds())
            .bind(i64::from(limit))
            .fetch_all(self.connection())
            .await?;
        let jobs = all(&rows, Job::read)?;
        for job in &jobs {
            if let Some(next) = job.life.expire(now) {
                self.save(job, &next).await?;
            }
        }
        Ok(jobs.len())
    }

    /// Writes down what a completed job's results hold. Says whether this was the first time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn process(&mut self, id: JobId, summary: &str) -> Result<bool, StoreError> {
        let Some(job) = self.take_job(id).await? else {
            return Ok(false);
        };
        let Some(next) = job.life.process() else {
            return Ok(false);
        };
        let summary = [("summary", Some(summary))];
        self.save_with(&job, &next, &summary).await?;
        Ok(true)
    }
}
