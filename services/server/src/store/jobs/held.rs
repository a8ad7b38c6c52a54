//! Jobs that can not be given to a runner for the moment are held back for a while: others come before them.

use std::time::Duration;

use bencher_jobs::{ConnectionId, JobId, RunnerId, Timestamp};
use sqlx::AssertSqlSafe;

use super::super::row::{maybe_time, places};
use super::super::{Signal, Store, StoreError, Transaction};
use super::report::Change;

/// Jobs that were held back until `$1` or before, and those that seem to be until after `$2`, which is longer than
/// any is: the clock was put back since.
const DUE: &str = "SELECT id FROM jobs WHERE (state = 'pending' AND held_until <= $1) \
    OR (state = 'pending' AND held_until > $2) LIMIT $3";
/// The longest that a job is held back at a time.
pub(crate) const LONGEST_HOLD: Duration = Duration::from_mins(2);
/// The longest that it may seem to be, since another server's clock may be ahead of this one's.
const SEEMING: Duration = Duration::from_mins(4);

/// Who was to get a job, and why nothing came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hold<'a> {
    /// The runner that has claimed it.
    pub runner: RunnerId,
    /// The connection that it was to go to.
    pub connection: ConnectionId,
    /// The job.
    pub job: JobId,
    /// How long others come before it.
    pub until: Timestamp,
    /// What people are told as long as it waits.
    pub why: &'a str,
}

impl Store {
    /// Whether any job was held back until `now` or before: a look that takes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let query = sqlx::query(DUE)
            .bind(now.milliseconds())
            .bind(now.after(SEEMING).milliseconds())
            .bind(1_i64);
        Ok(self.row(query).await?.is_some())
    }
}

impl Transaction {
    /// Lets a job wait once more that never reached its runner, but not before `until`; with it all that
    /// waits of its comparison, in the same order, and for the same machine if that has got one of its jobs before.
    /// Says whether the connection is the runner's newest: if not, nothing is done, as it may get the job on another
    /// one.
    ///
    /// # Errors
    ///
    /// When the database fails, or there is no such job.
    pub async fn put_back(&mut self, hold: &Hold<'_>) -> Result<bool, StoreError> {
        // It stays as it is until the end: what is bound to a machine fails when that is archived.
        let newest = self.sharing("SELECT archived FROM runners WHERE id = $1 AND connection = $2");
        let newest = sqlx::query(newest)
            .bind(hold.runner.to_string())
            .bind(hold.connection.to_string())
            .fetch_optional(self.connection())
            .await?;
        let Some(newest) = newest else {
            return Ok(false);
        };
        let jobs = self.take_with_rest(hold.job).await?;
        let found = jobs.iter().find(|job| job.id == hold.job);
        let Some((job, next)) = found.and_then(|job| Some((job, job.life.put_back(hold.runner)?)))
        else {
            return Ok(true);
        };
        let is_abandoned = job.comparison.is_some() && maybe_time(&newest, "archived")?.is_some();
        let next = if is_abandoned {
            next.abandon(Timestamp::now()).unwrap_or(next)
        } else {
            next
        };
        let change = Change {
            error: Some(hold.why),
            ..Change::of_life(job, &next)
        };
        self.save_all(&[change]).await?;
        if is_abandoned {
            return Ok(true);
        }
        // The first job of a comparison was anybody's, and nothing of that has reached a machine: it is anybody's
        // once more, and the others wait for it as before.
        let is_begun = job.bound_to.is_some();
        let query = format!(
            "UPDATE jobs SET is_held = 1, bound_to = $1, \
             held_until = CASE WHEN id = $2 OR bound_to = $1 THEN CAST($3 AS BIGINT) END WHERE id IN ({})",
            places(4, jobs.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query))
            .persistent(false)
            .bind(is_begun.then(|| hold.runner.to_string()))
            .bind(hold.job.to_string())
            .bind(hold.until.milliseconds());
        for job in &jobs {
            query = query.bind(job.id.to_string());
        }
        query.execute(self.connection()).await?;
        Ok(true)
    }

    /// Lets at most `limit` jobs wait as others do that were held back until `now` or before.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn release(&mut self, now: Timestamp, limit: u32) -> Result<(), StoreError> {
        let due = self.skipping(DUE);
        let query = format!(
            "UPDATE jobs SET is_held = 0, held_until = NULL WHERE id IN ({})",
            due.as_str()
        );
        let done = sqlx::query(AssertSqlSafe(query))
            .bind(now.milliseconds())
            .bind(now.after(SEEMING).milliseconds())
            .bind(i64::from(limit))
            .execute(self.connection())
            .await?;
        if done.rows_affected() > 0 {
            self.signal(Signal::Queued);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::plan;
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn a_look_for_what_is_due_reads_nothing_else() {
        let (_folder, store) = testing::database().await;
        let plan = plan(&store, DUE, vec!["1".to_owned(); 3]).await;
        for bound in ["held_until<?", "held_until>?"] {
            let index = format!("INDEX jobs_due ({bound})");
            assert!(plan.contains(&index), "{plan}");
        }
    }
}
