//! Jobs are deleted, once they have ended.
//!
//! ```text
//!  jobs, configs ──► deleted_jobs: not clean ──► its outputs are removed ──► clean ──► forgotten
//!         one transaction                                                    once nothing of it can
//!                                                                            come any more
//! ```
//!
//! The mark in `deleted_jobs` is there from the moment on from which the job is not. So whoever is killed in
//! between leaves objects that are known to be nobody's, and never a job without its results.

use std::collections::{BTreeMap, BTreeSet};

use bencher_jobs::{ComparisonId, JobId, RunnerId, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::row::{all, maybe_parsed, number, parsed, places};
use super::super::{Signal, Store, StoreError, Transaction, Turn};
use super::{COLUMNS, Job};

/// Jobs that ended before the first parameter, with their comparisons: of these only such of which all
/// jobs did. At most as many as the second parameter says.
const OLD: &str = "SELECT id, comparison FROM jobs WHERE ended < $1 AND (comparison IS NULL OR NOT EXISTS \
    (SELECT 1 FROM jobs AS others WHERE others.comparison = jobs.comparison \
    AND (others.ended IS NULL OR others.ended >= $1))) ORDER BY ended LIMIT $2";

/// Which jobs are looked at.
#[derive(Debug, Default)]
struct Old {
    single: Vec<JobId>,
    comparisons: BTreeSet<ComparisonId>,
}

impl Old {
    fn read(rows: &[AnyRow]) -> Result<Self, StoreError> {
        let mut old = Self::default();
        for row in rows {
            match maybe_parsed(row, "comparison")? {
                Some(comparison) => {
                    old.comparisons.insert(comparison);
                }
                None => old.single.push(parsed(row, "id")?),
            }
        }
        Ok(old)
    }

    /// As parameters of a query, in this order.
    fn texts(&self) -> impl Iterator<Item = String> {
        let single = self.single.iter().map(ToString::to_string);
        single.chain(self.comparisons.iter().map(ToString::to_string))
    }
}

impl Store {
    /// Deleted jobs of which something may be in the storage of outputs, at most `limit`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn unclean(&self, limit: u32) -> Result<Vec<JobId>, StoreError> {
        let query =
            sqlx::query("SELECT job FROM deleted_jobs WHERE is_clean = 0 ORDER BY job LIMIT $1")
                .bind(i64::from(limit));
        all(&self.rows(query).await?, |row| parsed(row, "job"))
    }

    /// The job that `runner` had last, if it was deleted since.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn deleted_job_of(&self, runner: RunnerId) -> Result<Option<JobId>, StoreError> {
        let query = sqlx::query(
            "SELECT job FROM deleted_jobs WHERE runner = $1 AND NOT EXISTS (SELECT 1 FROM jobs \
             WHERE jobs.runner = $1 AND jobs.claimed > deleted_jobs.claimed) \
             ORDER BY claimed DESC LIMIT 1",
        )
        .bind(runner.to_string());
        let row = self.row(query).await?;
        row.map(|row| parsed(&row, "job")).transpose()
    }
}

impl Transaction {
    /// Deletes a job that has ended, and is no part of a comparison.
    ///
    /// # Errors
    ///
    /// When there is no such job, or it is to stay.
    pub async fn delete_job(&mut self, id: JobId) -> Result<(), StoreError> {
        let jobs = self.take_jobs(&[id]).await?;
        let [job] = jobs.as_slice() else {
            return Err(StoreError::not_found("job", &id.to_string()));
        };
        if let Some(side) = job.comparison {
            let comparison = side.comparison;
            return Err(StoreError::OfComparison {
                job: id,
                comparison,
            });
        }
        let state = job.life.state;
        if !state.is_over() {
            return Err(StoreError::NotOver { job: id, state });
        }
        self.delete(&[job]).await
    }

    /// Deletes a comparison all of whose jobs have ended, and says which they were.
    ///
    /// # Errors
    ///
    /// When there is no such comparison, or it is to stay.
    pub async fn delete_comparison(
        &mut self,
        comparison: ComparisonId,
    ) -> Result<Vec<JobId>, StoreError> {
        let query = self.locking(format!(
            "SELECT {COLUMNS} FROM jobs WHERE comparison = $1 ORDER BY id"
        ));
        let rows = sqlx::query(query)
            .bind(comparison.to_string())
            .fetch_all(self.connection())
            .await?;
        let jobs = all(&rows, Job::read)?;
        let left = jobs.iter().filter(|job| !job.life.state.is_over()).count();
        if jobs.is_empty() {
            return Err(StoreError::not_found("comparison", &comparison.to_string()));
        }
        if left > 0 {
            let jobs = left;
            return Err(StoreError::ComparisonNotOver { comparison, jobs });
        }
        self.delete(&jobs.iter().collect::<Vec<_>>()).await?;
        Ok(jobs.iter().map(|job| job.id).collect())
    }

    /// Deletes jobs that ended before `before`, about `limit` of them, the oldest ones first, and says which
    /// they were. A comparison goes once all of its jobs ended before that, and then as a whole. What another
    /// server is at stays.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn delete_old(
        &mut self,
        before: Timestamp,
        limit: u32,
    ) -> Result<Vec<JobId>, StoreError> {
        let rows = sqlx::query(OLD)
            .bind(before.milliseconds())
            .bind(i64::from(limit))
            .fetch_all(self.connection())
            .await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let old = Old::read(&rows)?;
        let jobs = self.take_old(&old).await?;
        let sizes = self.sizes(&old).await?;
        let is_old = |job: &Job| {
            let ended = job.life.ended;
            job.life.state.is_over() && ended.is_some_and(|ended| ended < before)
        };
        let mut found: BTreeMap<ComparisonId, usize> = BTreeMap::new();
        for side in jobs
            .iter()
            .filter(|job| is_old(job))
            .filter_map(|job| job.comparison)
        {
            *found.entry(side.comparison).or_default() += 1;
        }
        let is_whole = |comparison| found.get(&comparison) == sizes.get(&comparison);
        let goes =
            |job: &&Job| is_old(job) && job.comparison.is_none_or(|side| is_whole(side.comparison));
        let jobs: Vec<&Job> = jobs.iter().filter(goes).collect();
        self.delete(&jobs).await?;
        Ok(jobs.iter().map(|job| job.id).collect())
    }

    /// Takes what nobody else has of jobs, and of all jobs of comparisons.
    async fn take_old(&mut self, old: &Old) -> Result<Vec<Job>, StoreError> {
        let single = old.single.len();
        let query = self.skipping(format!(
            "SELECT {COLUMNS} FROM jobs WHERE id IN ({}) OR comparison IN ({}) ORDER BY id",
            places_or_null(1, single),
            places_or_null(1 + single, old.comparisons.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for text in old.texts() {
            query = query.bind(text);
        }
        all(&query.fetch_all(self.connection()).await?, Job::read)
    }

    /// How many jobs each comparison has.
    async fn sizes(&mut self, old: &Old) -> Result<BTreeMap<ComparisonId, usize>, StoreError> {
        if old.comparisons.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query = format!(
            "SELECT comparison, COUNT(*) AS jobs FROM jobs WHERE comparison IN ({}) GROUP BY comparison",
            places(1, old.comparisons.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for comparison in &old.comparisons {
            query = query.bind(comparison.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let sizes = all(&rows, |row| {
            Ok((parsed(row, "comparison")?, number(row, "jobs")?))
        })?;
        Ok(sizes.into_iter().collect())
    }

    /// Deletes jobs whose rows are taken. They have ended, so no project counts them.
    async fn delete(&mut self, jobs: &[&Job]) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id).collect();
        let mark = format!(
            "INSERT INTO deleted_jobs (job, runner, claimed, deleted) \
             SELECT id, runner, claimed, $1 FROM jobs WHERE id IN ({})",
            places(2, ids.len())
        );
        let mut mark = sqlx::query(AssertSqlSafe(mark))
            .persistent(false)
            .bind(Timestamp::now().milliseconds());
        for id in &ids {
            mark = mark.bind(id.to_string());
        }
        mark.execute(self.connection()).await?;
        // What refers to another comes first.
        for (table, column) in [("configs", "job"), ("jobs", "id")] {
            let query = format!(
                "DELETE FROM {table} WHERE {column} IN ({})",
                places(1, ids.len())
            );
            let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
            for id in &ids {
                query = query.bind(id.to_string());
            }
            query.execute(self.connection()).await?;
        }
        for job in jobs {
            self.signal(Signal::Job(job.id));
            self.note(Turn::Deleted {
                job: job.id,
                trace: job.trace,
            });
        }
        Ok(())
    }

    /// Writes down that deleted jobs have nothing in the storage of outputs any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn note_clean(&mut self, jobs: &[JobId]) -> Result<(), StoreError> {
        if jobs.is_empty() {
            return Ok(());
        }
        // Whoever has one of them does the same, or forgets it.
        let free = self.skipping(format!(
            "SELECT job FROM deleted_jobs WHERE job IN ({})",
            places(1, jobs.len())
        ));
        let query = format!(
            "UPDATE deleted_jobs SET is_clean = 1 WHERE job IN ({})",
            free.as_str()
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for job in jobs {
            query = query.bind(job.to_string());
        }
        query.execute(self.connection()).await?;
        Ok(())
    }

    /// Forgets jobs that were deleted before `before`, and have nothing in the storage of outputs.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn forget_deleted(&mut self, before: Timestamp) -> Result<(), StoreError> {
        let free =
            self.skipping("SELECT job FROM deleted_jobs WHERE is_clean = 1 AND deleted < $1");
        let query = format!("DELETE FROM deleted_jobs WHERE job IN ({})", free.as_str());
        sqlx::query(AssertSqlSafe(query))
            .bind(before.milliseconds())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

/// As [`places`]; `NULL`, which is nothing's name, where there are none.
fn places_or_null(from: usize, count: usize) -> String {
    match count {
        0 => "NULL".to_owned(),
        count => places(from, count),
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::row::text;
    use super::*;

    #[tokio::test]
    async fn what_is_old_is_found_by_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let query = format!("EXPLAIN QUERY PLAN {OLD}");
        let query = sqlx::query(AssertSqlSafe(query)).bind(1_i64).bind(1_i64);
        let rows = store.rows(query).await.expect("a plan");
        let steps = all(&rows, |row| text(row, "detail")).expect("steps");
        let plan = steps.join("; ");
        assert!(plan.contains("jobs_ended (ended<?)"), "{plan}");
        assert!(plan.contains("jobs_comparison (comparison=?)"), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
