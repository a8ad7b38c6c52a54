//! Jobs are looked at.

use bencher_jobs::{ComparisonId, JobId, ProjectId, RunnerId, State};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::row::{all, maybe_text, number, parsed, text};
use super::super::{Page, Store, StoreError};
use super::{COLUMNS, Job};
use crate::outputs::Kept;

/// The longest text that lists show, in bytes: what is longer is only shown with its job.
pub(super) const SHORT: usize = 16 * 1024;

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

impl Filter {
    /// What is asked for: columns and their values. Conditions that are not asked for are not in
    /// the query: the database would not use its indexes.
    fn conditions(&self) -> Vec<(&'static str, String)> {
        let conditions = [
            ("project", self.project.map(|project| project.to_string())),
            ("state", self.state.map(|state| state.name().to_owned())),
            ("runner", self.runner.map(|runner| runner.to_string())),
            ("comparison", self.comparison.map(|side| side.to_string())),
        ];
        conditions
            .into_iter()
            .filter_map(|(column, value)| Some((column, value?)))
            .collect()
    }

    /// The query for a page: the first parameter is what the identifiers are below, then come those
    /// of `conditions`, then how many.
    fn query(conditions: &[(&'static str, String)]) -> String {
        use std::fmt::Write as _;
        let mut query = format!(
            "SELECT {COLUMNS}, error, {}, {} FROM jobs LEFT JOIN configs ON configs.job = jobs.id \
             WHERE jobs.id < $1",
            short("config"),
            short("summary"),
        );
        for (place, (column, _)) in (2..).zip(conditions) {
            let _ = write!(query, " AND {column} = ${place}");
        }
        let _ = write!(
            query,
            " ORDER BY jobs.id DESC LIMIT ${}",
            conditions.len() + 2
        );
        query
    }
}

/// A job with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The job.
    pub job: Job,
    /// What is to be run: JSON, as the runner gets it. In a list nothing, if it is long.
    pub config: Option<String>,
    /// What its runner said when it failed.
    pub error: Option<String>,
    /// What its results hold: JSON. In a list nothing, if it is long.
    pub summary: Option<String>,
}

impl Described {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            job: Job::read(row)?,
            config: maybe_text(row, "config")?,
            error: maybe_text(row, "error")?,
            summary: maybe_text(row, "summary")?,
        })
    }
}

/// `column`, unless it is long. Neither database reads a text to learn how many bytes it has.
pub(super) fn short(column: &str) -> String {
    format!("CASE WHEN octet_length({column}) <= {SHORT} THEN {column} END AS {column}")
}

impl Store {
    /// The job.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn job(&self, id: JobId) -> Result<Job, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM jobs WHERE id = $1");
        Job::read(&self.row_of_job(query, id).await?)
    }

    /// The job, with all that is said of it.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn described_job(&self, id: JobId) -> Result<Described, StoreError> {
        let query = format!(
            "SELECT {COLUMNS}, error, config, summary \
             FROM jobs LEFT JOIN configs ON configs.job = jobs.id WHERE jobs.id = $1"
        );
        Described::read(&self.row_of_job(query, id).await?)
    }

    /// What the job runs: JSON, as the runner gets it.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn config(&self, id: JobId) -> Result<String, StoreError> {
        let query = "SELECT config FROM configs WHERE job = $1".to_owned();
        text(&self.row_of_job(query, id).await?, "config")
    }

    /// Where the job's results are, if it has any.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn results(&self, id: JobId) -> Result<Option<Kept>, StoreError> {
        let query = "SELECT results FROM jobs WHERE id = $1".to_owned();
        let row = self.row_of_job(query, id).await?;
        Ok(maybe_text(&row, "results")?.map(Kept::from_column))
    }

    /// `query` must be put together of constants only.
    async fn row_of_job(&self, query: String, id: JobId) -> Result<AnyRow, StoreError> {
        self.row(sqlx::query(AssertSqlSafe(query)).bind(id.to_string()))
            .await?
            .ok_or_else(|| StoreError::not_found("job", &id.to_string()))
    }

    /// Jobs, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs(&self, filter: &Filter, page: &Page) -> Result<Vec<Described>, StoreError> {
        let conditions = filter.conditions();
        let mut query =
            sqlx::query(AssertSqlSafe(Filter::query(&conditions))).bind(page.below().to_owned());
        for (_, value) in conditions {
            query = query.bind(value);
        }
        let rows = self.rows(query.bind(page.limit())).await?;
        all(&rows, Described::read)
    }

    /// Jobs whose results nobody has read yet, the oldest first, and where the results are.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unprocessed(&self, limit: u32) -> Result<Vec<(JobId, Option<Kept>)>, StoreError> {
        let query = sqlx::query(
            "SELECT id, results FROM jobs WHERE state = 'completed' ORDER BY id LIMIT $1",
        )
        .bind(i64::from(limit));
        all(&self.rows(query).await?, |row| {
            let results = maybe_text(row, "results")?.map(Kept::from_column);
            Ok((parsed(row, "id")?, results))
        })
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_states(&self) -> Result<Vec<(State, u64)>, StoreError> {
        let query = sqlx::query("SELECT state, COUNT(*) AS jobs FROM jobs GROUP BY state");
        all(&self.rows(query).await?, |row| {
            Ok((parsed(row, "state")?, number(row, "jobs")?))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_filter_uses_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let filters = [
            Filter::default(),
            Filter {
                project: Some(ProjectId::generate()),
                ..Filter::default()
            },
            Filter {
                state: Some(State::Failed),
                ..Filter::default()
            },
            Filter {
                runner: Some(RunnerId::generate()),
                ..Filter::default()
            },
            Filter {
                comparison: Some(ComparisonId::generate()),
                ..Filter::default()
            },
        ];
        let indexes = [
            "sqlite_autoindex_jobs_1 (id<?)",
            "jobs_project (project=? AND id<?)",
            "jobs_state (state=? AND id<?)",
            "jobs_of_runner (runner=? AND id<?)",
            "jobs_comparison (comparison=?)",
        ];
        for (filter, index) in filters.iter().zip(indexes) {
            let conditions = filter.conditions();
            let query = format!("EXPLAIN QUERY PLAN {}", Filter::query(&conditions));
            let mut query = sqlx::query(AssertSqlSafe(query)).bind("f");
            for (_, value) in conditions {
                query = query.bind(value);
            }
            let rows = store.rows(query.bind(50)).await.expect("a plan");
            let plan: Vec<String> = rows
                .iter()
                .map(|row| text(row, "detail").expect("a step"))
                .collect();
            assert!(
                plan.iter().any(|step| step.contains(index)),
                "{filter:?}: {plan:?}"
            );
        }
    }
}
