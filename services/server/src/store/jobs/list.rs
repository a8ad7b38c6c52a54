//! Jobs are looked at.

use bencher_jobs::{ComparisonId, JobId, ProjectId, RunnerId, State};

use super::super::row::all;
use super::super::{Page, Store, StoreError};
use super::Job;

/// Which jobs are asked for: those that fit all that is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Of this project.
    pub project: Option<ProjectId>,
    /// In this state.
    pub state: Option<State>,
    /// Of this runner.
    pub runner: Option<RunnerId>,
    /// Of this comparison.
    pub comparison: Option<ComparisonId>,
}

impl Store {
    /// The job.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn job(&self, id: JobId) -> Result<Job, StoreError> {
        let row = sqlx::query("SELECT * FROM jobs WHERE id = $1")
            .bind(id.to_string())
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| StoreError::not_found("job", &id.to_string()))?;
        Job::read(&row)
    }

    /// Jobs, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs(&self, filter: &Filter, page: &Page) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM jobs WHERE id < $1 \
             AND (CAST($2 AS TEXT) IS NULL OR project = $2) \
             AND (CAST($3 AS TEXT) IS NULL OR state = $3) \
             AND (CAST($4 AS TEXT) IS NULL OR runner = $4) \
             AND (CAST($5 AS TEXT) IS NULL OR comparison = $5) \
             ORDER BY id DESC LIMIT $6",
        )
        .bind(page.below())
        .bind(filter.project.map(|project| project.to_string()))
        .bind(filter.state.map(State::name))
        .bind(filter.runner.map(|runner| runner.to_string()))
        .bind(filter.comparison.map(|comparison| comparison.to_string()))
        .bind(page.limit())
        .fetch_all(self.readers())
        .await?;
        all(&rows, Job::read)
    }

    /// Jobs whose results nobody has read yet, the oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unprocessed(&self, limit: u32) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query("SELECT * FROM jobs WHERE state = 'completed' ORDER BY id LIMIT $1")
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        all(&rows, Job::read)
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_states(&self) -> Result<Vec<(State, u64)>, StoreError> {
        let rows: Vec<(String, i64)> =
            sqlx::query_as("SELECT state, COUNT(*) FROM jobs GROUP BY state")
                .fetch_all(self.readers())
                .await?;
        rows.into_iter()
            .map(|(state, count)| Ok((state.parse()?, count.try_into().unwrap_or_default())))
            .collect()
    }
}
