//! Claims are written down.

use std::collections::HashMap;

use bencher_jobs::{ConnectionId, JobId, Life, Limits, RunnerId, SpecId, Timestamp};
use sqlx::AssertSqlSafe;

use super::super::row::{all, maybe_parsed, maybe_time, parsed, places, table};
use super::super::{Signal, Spec, StoreError, Transaction};
use super::claim::{Claims, Handed};
use super::{Job, KeptConfig};

/// Who is to get which job: its row is taken.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) runner: RunnerId,
    /// The connections that the runner waits on.
    pub(super) connections: Vec<ConnectionId>,
    pub(super) job: Job,
}

/// Who gets which job, and how the job goes on.
#[derive(Debug)]
struct Taken {
    runner: RunnerId,
    connection: ConnectionId,
    job: Job,
    next: Life,
}

impl Transaction {
    /// Gives jobs to those who were chosen for them, unless their connections are not theirs any
    /// more.
    pub(super) async fn take(
        &mut self,
        chosen: Vec<Chosen>,
        limits: impl Fn(u32) -> Limits,
    ) -> Result<Claims, StoreError> {
        let mut claims = Claims::default();
        let newest = self.newest(&chosen).await?;
        let now = Timestamp::now();
        let mut taken: Vec<Taken> = Vec::with_capacity(chosen.len());
        let mut is_left = false;
        for one in chosen {
            let Some(newest) = newest.get(&one.runner) else {
                // Another server changes it right now.
                is_left = true;
                continue;
            };
            let (here, elsewhere): (Vec<_>, Vec<_>) = one
                .connections
                .iter()
                .partition(|connection| newest.as_ref() == Some(connection));
            claims.refused.extend(elsewhere);
            let Some(connection) = here.first() else {
                is_left = true;
                continue;
            };
            let limits = limits(one.job.timeout);
            let Some(next) = one.job.life.claim(one.runner, now, &limits) else {
                continue;
            };
            if !self.bind_rest(&one).await? {
                is_left = true;
                continue;
            }
            taken.push(Taken {
                runner: one.runner,
                connection: *connection,
                job: one.job,
                next,
            });
        }
        if is_left {
            // These jobs are for others, or for later.
            self.signal(Signal::Queued);
        }
        self.save_claims(&taken).await?;
        let mut configs = self.configs(&taken).await?;
        let mut specs: HashMap<SpecId, Spec> = HashMap::new();
        for mut one in taken {
            let spec = if let Some(spec) = specs.get(&one.job.spec) {
                spec.clone()
            } else {
                let spec = self.spec_by_id(one.job.spec).await?;
                specs.insert(one.job.spec, spec.clone());
                spec
            };
            one.job.life = one.next;
            claims.handed.push(Handed {
                runner: one.runner,
                connection: one.connection,
                config: configs.remove(&one.job.id),
                job: one.job,
                spec,
            });
        }
        Ok(claims)
    }

    /// The newest connections of the chosen runners; none of those that are archived. Those that nothing is
    /// said of are being changed by another server; the others stay as they are until the end, so that one
    /// that connects there meanwhile is told of the job that it gets here.
    async fn newest(
        &mut self,
        chosen: &[Chosen],
    ) -> Result<HashMap<RunnerId, Option<ConnectionId>>, StoreError> {
        if chosen.is_empty() {
            return Ok(HashMap::new());
        }
        let query = self.sharing(format!(
            "SELECT id, connection, archived FROM runners WHERE id IN ({})",
            places(1, chosen.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for one in chosen {
            query = query.bind(one.runner.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let newest = all(&rows, |row| {
            let connection: Option<ConnectionId> = maybe_parsed(row, "connection")?;
            let is_archived = maybe_time(row, "archived")?.is_some();
            Ok((parsed(row, "id")?, connection.filter(|_| !is_archived)))
        })?;
        Ok(newest.into_iter().collect())
    }

    /// Binds all that waits of a comparison whose first job this is to the machine that gets it.
    /// Another server may be at one of them: then nothing is done, and this says so.
    async fn bind_rest(&mut self, first: &Chosen) -> Result<bool, StoreError> {
        let side = first
            .job
            .comparison
            .filter(|_| first.job.bound_to.is_none());
        let Some(side) = side else {
            return Ok(true);
        };
        let comparison = side.comparison.to_string();
        if self.has_rows() {
            let waiting = "SELECT id FROM jobs WHERE comparison = $1 AND state = 'pending'";
            let taken = sqlx::query(self.skipping(waiting))
                .bind(comparison.clone())
                .fetch_all(self.connection())
                .await?;
            let all = sqlx::query(waiting)
                .bind(comparison.clone())
                .fetch_all(self.connection())
                .await?;
            if taken.len() < all.len() {
                return Ok(false);
            }
        }
        sqlx::query(
            "UPDATE jobs SET bound_to = $1, is_held = 0 \
             WHERE comparison = $2 AND state = 'pending' AND id <> $3",
        )
        .bind(first.runner.to_string())
        .bind(comparison)
        .bind(first.job.id.to_string())
        .execute(self.connection())
        .await?;
        Ok(true)
    }

    async fn save_claims(&mut self, taken: &[Taken]) -> Result<(), StoreError> {
        if taken.is_empty() {
            return Ok(());
        }
        let query = format!(
            "UPDATE jobs SET state = news.column2, runner = news.column3, lease = news.column4, \
             deadline = news.column5, claimed = news.column6, error = NULL \
             FROM {} AS news WHERE jobs.id = news.column1 AND jobs.state = 'pending'",
            table(1, taken.len(), 6)
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for one in taken {
            let next = &one.next;
            query = query
                .bind(one.job.id.to_string())
                .bind(next.state.name())
                .bind(one.runner.to_string())
                .bind(next.lease.map(Timestamp::milliseconds))
                .bind(next.deadline.map(Timestamp::milliseconds))
                .bind(next.claimed.map(Timestamp::milliseconds));
        }
        let done = query.execute(self.connection()).await?;
        // A job that somebody else gave out meanwhile would be run twice.
        if usize::try_from(done.rows_affected()) != Ok(taken.len()) {
            return Err(StoreError::Torn);
        }
        for one in taken {
            self.note_change(&one.job, &one.next);
        }
        Ok(())
    }

    /// What the jobs run, as far as it is short.
    async fn configs(&mut self, taken: &[Taken]) -> Result<HashMap<JobId, KeptConfig>, StoreError> {
        if taken.is_empty() {
            return Ok(HashMap::new());
        }
        let query = format!(
            "SELECT job, {} FROM configs WHERE job IN ({})",
            KeptConfig::short_columns(),
            places(1, taken.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for one in taken {
            query = query.bind(one.job.id.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let configs = all(&rows, |row| {
            Ok((parsed(row, "job")?, KeptConfig::read(row)?))
        })?;
        Ok(configs
            .into_iter()
            .filter_map(|(job, config)| Some((job, config?)))
            .collect())
    }
}
