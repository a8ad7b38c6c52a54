//! Waiting runners get jobs.

use std::collections::{BTreeSet, HashMap};

use bencher_jobs::{Candidate, ConnectionId, Idle, Limits, ProjectId, RunnerId, Timestamp, assign};

use super::super::{Signal, Spec, Store, StoreError, Transaction};
use super::Job;
use super::KeptConfig;
use super::take::Chosen;

/// The most runners that get a job at once: others wait in the meantime.
pub(super) const BATCH: usize = 256;

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
    /// The connection that it goes to.
    pub connection: ConnectionId,
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
    /// Connections that are not their runner's newest, or whose runner is archived.
    pub refused: Vec<ConnectionId>,
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
    /// Gives jobs to `waiting` runners. One that waits on several connections gets one, on its newest.
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
        let mut idle: Vec<Idle> = Vec::with_capacity(waiting.len());
        let mut connections: HashMap<RunnerId, Vec<ConnectionId>> = HashMap::new();
        for one in waiting {
            let connections = connections.entry(one.idle.runner).or_default();
            if connections.is_empty() {
                idle.push(one.idle.clone());
            }
            connections.push(one.connection);
        }
        // A look first: whoever submits waits for projects that are taken.
        let free = self.heads(&idle).await?;
        let bound = self.bound(&idle).await?;
        if free.is_empty() && bound.is_empty() {
            return Ok(Claims::default());
        }
        let mut projects: BTreeSet<ProjectId> = free.iter().map(|head| head.project).collect();
        projects.extend(bound.iter().map(|bound| bound.project));
        let shares = self.take_shares(&projects).await?;
        let mut jobs = self.behind(&free, &shares).await?;
        jobs.extend(self.still(&bound, &shares).await?);
        let candidates: Vec<Candidate> = jobs.values().map(candidate).collect();
        let assignments = assign(&idle, &candidates, &shares, Timestamp::now());
        if assignments.len() > BATCH {
            self.signal(Signal::Queued);
        }
        let chosen = assignments
            .into_iter()
            .take(BATCH)
            .filter_map(|assignment| {
                Some(Chosen {
                    runner: assignment.runner,
                    connections: connections.remove(&assignment.runner)?,
                    job: jobs.remove(&assignment.job)?,
                })
            })
            .collect();
        self.take(chosen, limits).await
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
