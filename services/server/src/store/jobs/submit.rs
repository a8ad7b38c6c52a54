//! Jobs come in.

use bencher_jobs::{JobId, ProjectId, SpecId, State, Timestamp, TokenId};

use super::super::transaction::Counts;
use super::super::{Signal, StoreError, Transaction, Turn};
use super::{KeptConfig, Side};
use crate::telemetry::TraceParent;

/// A job to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewJob {
    /// Its identifier: a new one, which its variables are sealed for.
    pub id: JobId,
    /// What it must run on.
    pub spec: SpecId,
    /// The token that it is submitted with.
    pub submitter: Option<TokenId>,
    /// The higher, the sooner.
    pub priority: u8,
    /// Seconds that its command may run, all iterations together.
    pub timeout: u32,
    /// What is to be run.
    pub config: KeptConfig,
    /// What it is compared with.
    pub comparison: Option<Side>,
    /// The request that submits it.
    pub trace: Option<TraceParent>,
}

impl Transaction {
    /// Submits all of `jobs` or none; they are claimed in their order. At most `limit` jobs may
    /// wait in all projects together.
    ///
    /// # Errors
    ///
    /// When a quota would be passed.
    pub async fn submit(
        &mut self,
        project: ProjectId,
        jobs: &[NewJob],
        limit: u32,
    ) -> Result<Vec<JobId>, StoreError> {
        let found = self.take_project(project).await?;
        let more = u32::try_from(jobs.len()).unwrap_or(u32::MAX);
        for job in jobs {
            found.quota.admit(found.queued, more, job.priority)?;
        }
        let (queued,): (i64,) =
            sqlx::query_as("SELECT CAST(COALESCE(SUM(queued), 0) AS BIGINT) FROM projects")
                .fetch_one(self.connection())
                .await?;
        if more > limit {
            return Err(StoreError::Beyond { more, limit });
        }
        if queued.saturating_add(more.into()) > limit.into() {
            return Err(StoreError::Full(limit));
        }
        let now = Timestamp::now();
        let mut ids = Vec::with_capacity(jobs.len());
        for job in jobs {
            let is_held = job.comparison.is_some_and(|side| side.position > 0);
            sqlx::query(
                "INSERT INTO jobs (id, project, spec, submitter, created, priority, timeout, \
                 comparison, side, position, is_held, state, trace) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            )
            .bind(job.id.to_string())
            .bind(project.to_string())
            .bind(job.spec.to_string())
            .bind(job.submitter.map(|submitter| submitter.to_string()))
            .bind(now.milliseconds())
            .bind(i64::from(job.priority))
            .bind(i64::from(job.timeout))
            .bind(job.comparison.map(|side| side.comparison.to_string()))
            .bind(job.comparison.map(|side| i64::from(side.side)))
            .bind(job.comparison.map(|side| i64::from(side.position)))
            .bind(i64::from(is_held))
            .bind(State::Pending.name())
            .bind(job.trace.map(|trace| trace.to_string()))
            .execute(self.connection())
            .await?;
            sqlx::query("INSERT INTO configs (job, config, variables) VALUES ($1, $2, $3)")
                .bind(job.id.to_string())
                .bind(job.config.text.clone())
                .bind(job.config.variables().to_owned())
                .execute(self.connection())
                .await?;
            self.note(Turn::Submitted {
                job: job.id,
                trace: job.trace,
            });
            ids.push(job.id);
        }
        self.count(
            project,
            Counts {
                queued: more.into(),
                ..Counts::default()
            },
        );
        self.signal(Signal::Queued);
        Ok(ids)
    }
}
