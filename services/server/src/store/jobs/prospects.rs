//! How a job that waits stands. Nothing of it is taken, and it is asked for one job at a time.

use bencher_jobs::Timestamp;
use bencher_server_api::Waiting;
use sqlx::AssertSqlSafe;

use super::super::row::number;
use super::super::{Store, StoreError};
use super::Job;

/// Jobs that a runner could take before one of the spec `$1` and the priority `$2` with the identifier `$3`:
/// those that any may take, and those of comparisons but `$4` that its runners have begun: that one may have
/// begun since the job was read, and its other jobs come after it. The order of the tables is what makes
/// SQLite use the indexes of both, of which it reads `MOST_AHEAD` entries at most.
const AHEAD: &str = "SELECT 1 FROM projects CROSS JOIN jobs WHERE projects.queued > 0 \
    AND jobs.project = projects.id AND jobs.spec = $1 AND jobs.state = 'pending' AND jobs.is_held = 0 \
    AND jobs.bound_to IS NULL AND jobs.priority > $2 \
    UNION ALL SELECT 1 FROM projects CROSS JOIN jobs WHERE projects.queued > 0 \
    AND jobs.project = projects.id AND jobs.spec = $1 AND jobs.state = 'pending' AND jobs.is_held = 0 \
    AND jobs.bound_to IS NULL AND jobs.priority = $2 AND jobs.id < $3 \
    UNION ALL SELECT 1 FROM runner_specs CROSS JOIN jobs WHERE runner_specs.spec = $1 \
    AND jobs.bound_to = runner_specs.runner AND jobs.spec = $1 AND jobs.state = 'pending' \
    AND jobs.bound_to IS NOT NULL AND jobs.comparison <> $4";

/// Jobs before the one with the identifier `$2` that are bound to the runner `$1`.
const BOUND: &str = "SELECT 1 FROM jobs WHERE state = 'pending' AND bound_to IS NOT NULL \
    AND bound_to = $1 AND id < $2";

/// Jobs of the comparison `$1` before the turn `$2` that wait until it has begun.
const HELD: &str = "SELECT 1 FROM jobs WHERE comparison = $1 AND position < $2 AND state = 'pending' \
    AND is_held = 1";

/// How many rows `query` has, `MOST_AHEAD` at most.
fn counted(query: &str) -> String {
    let most = Waiting::MOST_AHEAD;
    format!("SELECT COUNT(*) AS jobs FROM ({query} LIMIT {most}) AS ahead")
}

impl Store {
    /// How a job that waits stands. Runners are connected of which something was heard since `since`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn prospects(&self, job: &Job, since: Timestamp) -> Result<Waiting, StoreError> {
        let (runners, connected) = self.runners_for(job, since).await?;
        let bound_to = match job.bound_to {
            Some(runner) => Some(self.runner(&runner.to_string()).await?.slug),
            None => None,
        };
        let project = self.project(&job.project.to_string()).await?;
        Ok(Waiting {
            runners,
            connected,
            ahead: self.ahead_of(job).await?.min(Waiting::MOST_AHEAD),
            project_is_full: project.active >= project.quota.active,
            bound_to,
        })
    }

    /// How many runners may run the job, and how many of those are connected.
    async fn runners_for(&self, job: &Job, since: Timestamp) -> Result<(u32, u32), StoreError> {
        let mut query = "SELECT COUNT(*) AS runners, CAST(COALESCE(SUM(CASE \
            WHEN runners.connection IS NOT NULL AND runners.seen >= $2 THEN 1 ELSE 0 END), 0) AS BIGINT) \
            AS connected FROM runner_specs JOIN runners ON runners.id = runner_specs.runner \
            WHERE runner_specs.spec = $1 AND runners.archived IS NULL"
            .to_owned();
        if job.bound_to.is_some() {
            query += " AND runners.id = $3";
        }
        let mut query = sqlx::query(AssertSqlSafe(query))
            .bind(job.spec.to_string())
            .bind(since.milliseconds());
        if let Some(runner) = job.bound_to {
            query = query.bind(runner.to_string());
        }
        match self.row(query).await? {
            Some(row) => Ok((number(&row, "runners")?, number(&row, "connected")?)),
            None => Ok((0, 0)),
        }
    }

    async fn ahead_of(&self, job: &Job) -> Result<u32, StoreError> {
        if let Some(runner) = job.bound_to {
            let query = counted(BOUND);
            let query = sqlx::query(AssertSqlSafe(query))
                .bind(runner.to_string())
                .bind(job.id.to_string());
            return self.count_of(query).await;
        }
        let query = counted(AHEAD);
        let query = sqlx::query(AssertSqlSafe(query))
            .bind(job.spec.to_string())
            .bind(i64::from(job.priority))
            .bind(job.id.to_string())
            .bind(
                job.comparison
                    .map(|side| side.comparison.to_string())
                    .unwrap_or_default(),
            );
        let free = self.count_of(query).await?;
        let Some(side) = job.comparison.filter(|side| side.position > 0) else {
            return Ok(free);
        };
        let query = counted(HELD);
        let query = sqlx::query(AssertSqlSafe(query))
            .bind(side.comparison.to_string())
            .bind(i64::from(side.position));
        Ok(free.saturating_add(self.count_of(query).await?))
    }

    async fn count_of(
        &self,
        query: sqlx::query::Query<'_, sqlx::Any, sqlx::any::AnyArguments>,
    ) -> Result<u32, StoreError> {
        match self.row(query).await? {
            Some(row) => number(&row, "jobs"),
            None => Ok(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::plan;
    use super::*;

    #[tokio::test]
    async fn what_is_ahead_is_counted_with_indexes() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let texts = |count| vec!["0".to_owned(); count];
        for (query, count, indexes) in [
            (
                AHEAD,
                4,
                &[
                    "jobs_free (project=? AND spec=? AND priority>?)",
                    "jobs_free (project=? AND spec=? AND priority=? AND id<?)",
                    "jobs_bound (bound_to=?",
                ][..],
            ),
            (BOUND, 2, &["jobs_bound (bound_to=?"]),
            (HELD, 2, &["jobs_comparison (comparison=? AND position<?)"]),
        ] {
            let plan = plan(&store, &counted(query), texts(count)).await;
            for index in indexes {
                assert!(plan.contains(index), "{query}: {plan}");
            }
            assert!(!plan.contains("SCAN jobs"), "{query}: {plan}");
        }
    }
}
