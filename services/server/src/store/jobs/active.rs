//! What runners are at.

use bencher_jobs::{JobId, ProjectId, RunnerId, State};
use sqlx::any::AnyRow;

use super::super::row::{all, parsed};
use super::super::{Store, StoreError};

/// A job that a runner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Active {
    /// The job.
    pub job: JobId,
    /// Whose it is.
    pub project: ProjectId,
    /// Who has it.
    pub runner: RunnerId,
    /// Whether its command runs yet.
    pub state: State,
}

impl Active {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            job: parsed(row, "id")?,
            project: parsed(row, "project")?,
            runner: parsed(row, "runner")?,
            state: parsed(row, "state")?,
        })
    }
}

impl Store {
    /// The jobs that runners have now: one each at most.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn active_jobs(&self) -> Result<Vec<Active>, StoreError> {
        let query = sqlx::query(
            "SELECT id, project, runner, state FROM jobs \
             WHERE state IN ('claimed', 'running') AND runner IS NOT NULL",
        );
        all(&self.rows(query).await?, Active::read)
    }
}
