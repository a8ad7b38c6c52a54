//! Waiting runners get jobs.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{
    Candidate, ConnectionId, Idle, JobId, Life, Limits, ProjectId, RunnerId, Share, SpecId,
    Timestamp, assign,
};

use super::super::row::{all, parsed};
use super::super::{Signal, Spec, StoreError, Transaction};
use super::Job;

/// The most runners that get a job at once: others wait in the meantime.
const BATCH: usize = 128;

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
        // A look first: taking projects would make those who submit wait.
        let any = sqlx::query("SELECT id FROM projects WHERE queued > 0 LIMIT 1")
            .fetch_optional(self.connection())
            .await?;
        let mut claims = Claims::default();
        if any.is_none() || waiting.is_empty() {
            return Ok(claims);
        }
        // What was reported in this transaction counts.
        self.apply_counts().await?;
        let shares: BTreeMap<ProjectId, Share> = self
            .take_waiting_projects()
            .await?
            .iter()
            .map(|project| (project.id, project.share()))
            .collect();
        let mut jobs = self.free(waiting, &shares).await?;
        jobs.extend(self.bound(waiting).await?);
        let candidates: Vec<Candidate> = jobs.values().map(candidate).collect();
        let idle: Vec<Idle> = waiting.iter().map(|one| one.idle.clone()).collect();
        let mut specs: HashMap<SpecId, Spec> = HashMap::new();
        let now = Timestamp::now();
        let connections: HashMap<RunnerId, ConnectionId> = waiting
            .iter()
            .map(|one| (one.idle.runner, one.connection))
            .collect();
        let assignments = assign(&idle, &candidates, &shares);
        if assignments.len() > BATCH {
            self.signal(Signal::Queued);
        }
        for assignment in assignments.into_iter().take(BATCH) {
            let (Some(&connection), Some(mut job)) = (
                connections.get(&assignment.runner),
                jobs.remove(&assignment.job),
            ) else {
                continue;
            };
            let limits = limits(job.timeout);
            let Some(next) = job.life.claim(assignment.runner, now, &limits) else {
                continue;
            };
            if !self.take(&job, &next, connection).await? {
                claims.refused.push(assignment.runner);
                continue;
            }
            let spec = if let Some(spec) = specs.get(&job.spec) {
                spec.clone()
            } else {
                let spec = self.spec_by_id(job.spec).await?;
                specs.insert(job.spec, spec.clone());
                spec
            };
            job.life = next;
            claims.handed.push(Handed {
                runner: assignment.runner,
                job,
                spec,
            });
        }
        if !claims.refused.is_empty() {
            // Their jobs are for others.
            self.signal(Signal::Queued);
        }
        Ok(claims)
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
            let room = share.limit.saturating_sub(share.active) as usize;
            for (spec, &takers) in &takers {
                let limit = takers.min(room).min(BATCH + 1);
                if limit == 0 {
                    continue;
                }
                let query = self.skipping(
                    "SELECT * FROM jobs WHERE project = $1 AND spec = $2 AND state = 'pending' \
                     AND is_held = 0 AND bound_to IS NULL ORDER BY priority DESC, id LIMIT $3",
                );
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

    /// The next job of each comparison that is bound to one of the waiting.
    async fn bound(&mut self, waiting: &[Waiting]) -> Result<HashMap<JobId, Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT bound_to, MIN(id) AS id FROM jobs WHERE state = 'pending' \
             AND bound_to IS NOT NULL GROUP BY bound_to",
        )
        .fetch_all(self.connection())
        .await?;
        let firsts: Vec<(RunnerId, JobId)> = all(&rows, |row| {
            Ok((parsed(row, "bound_to")?, parsed(row, "id")?))
        })?;
        let mut jobs = HashMap::new();
        for (runner, id) in firsts {
            if waiting.iter().any(|one| one.idle.runner == runner)
                && let Some(job) = self.take_job(id).await?
            {
                jobs.insert(id, job);
            }
        }
        Ok(jobs)
    }

    /// Writes down a claim, unless the connection is not the runner's any more.
    async fn take(
        &mut self,
        job: &Job,
        next: &Life,
        connection: ConnectionId,
    ) -> Result<bool, StoreError> {
        let runner = next.runner.map(|runner| runner.to_string());
        let done = sqlx::query(
            "UPDATE jobs SET state = $1, runner = $2, lease = $3, deadline = $4, claimed = $5 \
             WHERE id = $6 AND state = 'pending' AND EXISTS \
             (SELECT 1 FROM runners WHERE id = $2 AND connection = $7 AND archived IS NULL)",
        )
        .bind(next.state.name())
        .bind(&runner)
        .bind(next.lease.map(Timestamp::milliseconds))
        .bind(next.deadline.map(Timestamp::milliseconds))
        .bind(next.claimed.map(Timestamp::milliseconds))
        .bind(job.id.to_string())
        .bind(connection.to_string())
        .execute(self.connection())
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.note_change(job, next);
        if let Some(side) = job.comparison.filter(|_| job.bound_to.is_none()) {
            sqlx::query(
                "UPDATE jobs SET bound_to = $1, is_held = 0 \
                 WHERE comparison = $2 AND state = 'pending'",
            )
            .bind(&runner)
            .bind(side.comparison.to_string())
            .execute(self.connection())
            .await?;
        }
        Ok(true)
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
