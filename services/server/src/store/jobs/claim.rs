//! Waiting runners get jobs.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{
    Candidate, ConnectionId, Idle, JobId, Limits, ProjectId, RunnerId, Share, SpecId, assign,
};
use sqlx::AssertSqlSafe;

use super::super::row::{all, parsed, places};
use super::super::{Signal, Spec, Store, StoreError, Transaction};
use super::take::Chosen;
use super::{COLUMNS, Job, KeptConfig};

/// The most runners that get a job at once: others wait in the meantime.
const BATCH: usize = 256;

/// A runner that waits, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Who, and what it can run.
    pub idle: Idle,
    /// The connection that it waits on.
    pub connection: ConnectionId,
}

/// A job that a runner has just got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handed {
    /// Who has it.
    pub runner: RunnerId,
    /// What it is.
    pub job: Job,
    /// What it runs; nothing if it is long, see [`Store::config`].
    pub config: Option<KeptConfig>,
    /// What it must run on.
    pub spec: Spec,
}

/// What a round of claims did.
#[derive(Debug, Default)]
pub struct Claims {
    /// Who got what.
    pub handed: Vec<Handed>,
    /// Who does not wait on its newest connection, or is archived.
    pub refused: Vec<RunnerId>,
}

impl Store {
    /// Whether any job waits: a look that takes nothing.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_queued(&self) -> Result<bool, StoreError> {
        let query = sqlx::query("SELECT id FROM projects WHERE queued > 0 LIMIT 1");
        Ok(self.row(query).await?.is_some())
    }
}

impl Transaction {
    /// Gives jobs to `waiting` runners.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim(
        &mut self,
        waiting: &[Waiting],
        limits: impl Fn(u32) -> Limits,
    ) -> Result<Claims, StoreError> {
        if waiting.is_empty() {
            return Ok(Claims::default());
        }
        // A look first: taking projects would make those who submit wait.
        let any = sqlx::query("SELECT id FROM projects WHERE queued > 0 LIMIT 1")
            .fetch_optional(self.connection())
            .await?;
        if any.is_none() {
            return Ok(Claims::default());
        }
        let shares = self.take_waiting_projects().await?;
        let mut jobs = self.free(waiting, &shares).await?;
        jobs.extend(self.bound(waiting, &shares).await?);
        let candidates: Vec<Candidate> = jobs.values().map(candidate).collect();
        let idle: Vec<Idle> = waiting.iter().map(|one| one.idle.clone()).collect();
        let connections: HashMap<RunnerId, ConnectionId> = waiting
            .iter()
            .map(|one| (one.idle.runner, one.connection))
            .collect();
        let assignments = assign(&idle, &candidates, &shares);
        if assignments.len() > BATCH {
            self.signal(Signal::Queued);
        }
        let chosen = assignments
            .into_iter()
            .take(BATCH)
            .filter_map(|assignment| {
                Some(Chosen {
                    runner: assignment.runner,
                    connection: *connections.get(&assignment.runner)?,
                    job: jobs.remove(&assignment.job)?,
                })
            })
            .collect();
        self.take(chosen, limits).await
    }

    /// Jobs that any of the waiting could take, as many of each kind as there are takers.
    async fn free(
        &mut self,
        waiting: &[Waiting],
        shares: &BTreeMap<ProjectId, Share>,
    ) -> Result<HashMap<JobId, Job>, StoreError> {
        let mut takers: BTreeMap<SpecId, usize> = BTreeMap::new();
        for spec in waiting.iter().flat_map(|one| &one.idle.specs) {
            *takers.entry(*spec).or_default() += 1;
        }
        let mut jobs = HashMap::new();
        for (project, share) in shares {
            for (spec, &takers) in &takers {
                let limit = takers.min(share.room() as usize).min(BATCH + 1);
                if limit == 0 {
                    continue;
                }
                let query = self.skipping(format!(
                    "SELECT {COLUMNS} FROM jobs WHERE project = $1 AND spec = $2 \
                     AND state = 'pending' AND is_held = 0 AND bound_to IS NULL \
                     ORDER BY priority DESC, id LIMIT $3"
                ));
                let rows = sqlx::query(query)
                    .bind(project.to_string())
                    .bind(spec.to_string())
                    .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                    .fetch_all(self.connection())
                    .await?;
                for job in all(&rows, Job::read)? {
                    jobs.insert(job.id, job);
                }
            }
        }
        Ok(jobs)
    }

    /// Of what is bound to each of the waiting the next job of each kind that it could take: one that
    /// can not run now is not to hold up the others.
    async fn bound(
        &mut self,
        waiting: &[Waiting],
        shares: &BTreeMap<ProjectId, Share>,
    ) -> Result<HashMap<JobId, Job>, StoreError> {
        let any = sqlx::query(
            "SELECT id FROM jobs WHERE state = 'pending' AND bound_to IS NOT NULL LIMIT 1",
        )
        .fetch_optional(self.connection())
        .await?;
        if any.is_none() {
            return Ok(HashMap::new());
        }
        let query = format!(
            "SELECT bound_to, project, spec, MIN(id) AS id FROM jobs WHERE state = 'pending' \
             AND bound_to IS NOT NULL AND bound_to IN ({}) GROUP BY bound_to, project, spec",
            places(1, waiting.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for one in waiting {
            query = query.bind(one.idle.runner.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let firsts: Vec<(RunnerId, ProjectId, SpecId, JobId)> = all(&rows, |row| {
            Ok((
                parsed(row, "bound_to")?,
                parsed(row, "project")?,
                parsed(row, "spec")?,
                parsed(row, "id")?,
            ))
        })?;
        let specs: HashMap<RunnerId, &[SpecId]> = waiting
            .iter()
            .map(|one| (one.idle.runner, one.idle.specs.as_slice()))
            .collect();
        let ids: Vec<JobId> = firsts
            .into_iter()
            .filter(|(runner, project, spec, _)| {
                specs.get(runner).is_some_and(|specs| specs.contains(spec))
                    && shares.get(project).is_some_and(|share| share.room() > 0)
            })
            .map(|(.., id)| id)
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = self.skipping(format!(
            "SELECT {COLUMNS} FROM jobs WHERE state = 'pending' AND id IN ({})",
            places(1, ids.len())
        ));
        let mut query = sqlx::query(query).persistent(false);
        for id in ids {
            query = query.bind(id.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let jobs = all(&rows, Job::read)?;
        Ok(jobs.into_iter().map(|job| (job.id, job)).collect())
    }
}

fn candidate(job: &Job) -> Candidate {
    Candidate {
        job: job.id,
        project: job.project,
        spec: job.spec,
        priority: job.priority,
        bound_to: job.bound_to,
    }
}
