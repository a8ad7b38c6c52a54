//! A job's state changes: by time, by users, by those who read results.

use bencher_jobs::{JobId, Life, RunnerId, State, Timestamp};

use super::super::row::{all, maybe_text};
use super::super::transaction::Counts;
use super::super::{Signal, StoreError, Transaction, Turn};
use super::report::Change;
use super::{COLUMNS, Job};

impl Transaction {
    /// Counts `job`'s change to `next`, and tells of it.
    pub(super) fn note_change(&mut self, job: &Job, next: &Life) {
        if job.life.state == next.state && job.life.reason == next.reason {
            return;
        }
        let one = |is_so: bool| i64::from(is_so);
        let change = Counts {
            queued: one(next.state == State::Pending) - one(job.life.state == State::Pending),
            active: one(next.state.is_active()) - one(job.life.state.is_active()),
            served: next.claimed.filter(|_| job.life.state == State::Pending),
        };
        self.count(job.project, change);
        self.signal(Signal::Job(job.id));
        self.note(Turn::Changed {
            job: Box::new(job.clone()),
            next: Box::new(next.clone()),
            at: Timestamp::now(),
        });
        if change.active < 0 {
            // Its project may have room for another one.
            self.signal(Signal::Queued);
        }
    }

    /// Writes down how `jobs` go on, where `next` says it, and says of how many it did.
    async fn go_on(
        &mut self,
        jobs: &[Job],
        next: impl Fn(&Job) -> Option<Life>,
    ) -> Result<usize, StoreError> {
        let lives: Vec<(&Job, Life)> = jobs
            .iter()
            .filter_map(|job| Some((job, next(job)?)))
            .collect();
        let changes: Vec<Change<'_>> = lives
            .iter()
            .map(|(job, next)| Change::of_life(job, next))
            .collect();
        self.save_all(&changes).await?;
        Ok(changes.len())
    }

    /// Stops a job that is not over, with all that waits of its comparison: one side alone is
    /// worth nothing. Says whether anything was stopped.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn cancel(&mut self, id: JobId) -> Result<bool, StoreError> {
        let jobs = self.take_with_rest(id).await?;
        let is_over = |job: &Job| job.id == id && job.life.state.is_over();
        if jobs.iter().any(is_over) {
            return Ok(false);
        }
        let now = Timestamp::now();
        Ok(self.go_on(&jobs, |job| job.life.cancel(now)).await? > 0)
    }

    /// Takes a job and all that waits of its comparison.
    pub(super) async fn take_with_rest(&mut self, id: JobId) -> Result<Vec<Job>, StoreError> {
        // Before anything is taken: the job itself may not be the first of those that are to be.
        let row = sqlx::query("SELECT comparison FROM jobs WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?
            .ok_or_else(|| StoreError::not_found("job", &id.to_string()))?;
        match maybe_text(&row, "comparison")? {
            None => self.take_jobs(&[id]).await,
            Some(comparison) => {
                let query = self.locking(format!(
                    "SELECT {COLUMNS} FROM jobs \
                     WHERE comparison = $1 AND (state = 'pending' OR id = $2) ORDER BY id"
                ));
                let rows = sqlx::query(query)
                    .bind(comparison)
                    .bind(id.to_string())
                    .fetch_all(self.connection())
                    .await?;
                all(&rows, Job::read)
            }
        }
    }

    /// Fails what waits for a machine that is gone.
    pub(crate) async fn abandon_bound(
        &mut self,
        runner: RunnerId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let query = self.locking(format!(
            "SELECT {COLUMNS} FROM jobs WHERE bound_to = $1 AND state = 'pending' \
             AND bound_to IS NOT NULL ORDER BY id"
        ));
        let rows = sqlx::query(query)
            .bind(runner.to_string())
            .fetch_all(self.connection())
            .await?;
        let jobs = all(&rows, Job::read)?;
        self.go_on(&jobs, |job| job.life.abandon(now)).await?;
        Ok(())
    }

    /// Fails jobs whose runner was silent for too long or whose time is over, at most `limit`, and
    /// says how many there were.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn expire(&mut self, now: Timestamp, limit: u32) -> Result<usize, StoreError> {
        let query = self.skipping(format!(
            "SELECT {COLUMNS} FROM jobs WHERE state IN ('claimed', 'running') \
             AND (lease < $1 OR deadline < $1) ORDER BY lease LIMIT $2"
        ));
        let rows = sqlx::query(query)
            .bind(now.milliseconds())
            .bind(i64::from(limit))
            .fetch_all(self.connection())
            .await?;
        let jobs = all(&rows, Job::read)?;
        self.go_on(&jobs, |job| job.life.expire(now)).await
    }

    /// Writes down what the results of completed jobs hold; those that are not completed stay as they
    /// are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn process(&mut self, summaries: &[(JobId, String)]) -> Result<(), StoreError> {
        let ids: Vec<JobId> = summaries.iter().map(|(id, _)| *id).collect();
        let jobs = self.take_jobs(&ids).await?;
        let lives: Vec<(&Job, Life, &str)> = jobs
            .iter()
            .filter_map(|job| {
                let (_, summary) = summaries.iter().find(|(id, _)| *id == job.id)?;
                Some((job, job.life.process()?, summary.as_str()))
            })
            .collect();
        let changes: Vec<Change<'_>> = lives
            .iter()
            .map(|(job, next, summary)| Change {
                summary: Some(summary),
                ..Change::of_life(job, next)
            })
            .collect();
        self.save_all(&changes).await
    }
}
