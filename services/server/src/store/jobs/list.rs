//! Jobs are looked at.

use bencher_jobs::{ComparisonId, JobId, ProjectId, RunnerId, State};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::row::{all, maybe_parsed, maybe_text, number, parsed};
use super::super::{Page, Store, StoreError};
use super::{COLUMNS, Job, KeptConfig};
use crate::outputs::Kept;
use crate::telemetry::TraceParent;

/// The longest text that lists show, in bytes: what is longer is only shown with its job.
pub(super) const SHORT: usize = 16 * 1024;

/// Jobs that are completed and come after the identifier `$1`.
const UNPROCESSED: &str = "SELECT id, results, trace FROM jobs WHERE state = 'completed' AND id > $1 ORDER BY id LIMIT $2";

/// The state, as the index has it that is for nothing but lists and counts.
pub(super) const STATE: &str = "(state || '')";

/// What a job refers to, by name. Queries within the query, as whatever is joined has columns of the same
/// names.
pub(super) const SLUGS: &str = "(SELECT slug FROM projects WHERE projects.id = jobs.project) AS project_slug, \
    (SELECT slug FROM specs WHERE specs.id = jobs.spec) AS spec_slug, \
    (SELECT slug FROM runners WHERE runners.id = jobs.runner) AS runner_slug";

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
            (STATE, self.state.map(|state| state.name().to_owned())),
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
            "SELECT {COLUMNS}, {SLUGS}, error, {}, {}, measured FROM jobs LEFT JOIN configs ON configs.job = jobs.id \
             WHERE jobs.id < $1",
            KeptConfig::short_columns(),
            short("summary", "octet_length(summary)"),
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

/// The slugs of what a job refers to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slugs {
    /// Its project's.
    pub project: Option<String>,
    /// Its spec's.
    pub spec: Option<String>,
    /// Its runner's.
    pub runner: Option<String>,
}

/// A job whose results nobody has read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unprocessed {
    /// Which.
    pub job: JobId,
    /// Where its results are, if it has any.
    pub results: Option<Kept>,
    /// The request that submitted it.
    pub trace: Option<TraceParent>,
}

/// A job with what is said of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// The job.
    pub job: Job,
    /// What it refers to.
    pub slugs: Slugs,
    /// What is to be run. In a list nothing, if it is long.
    pub config: Option<KeptConfig>,
    /// What its runner said when it failed, or why it waits once more.
    pub error: Option<String>,
    /// What its results hold: JSON. In a list nothing, if it is long.
    pub summary: Option<String>,
    /// How it was measured, at a glance: JSON.
    pub measured: Option<String>,
}

impl Slugs {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            project: maybe_text(row, "project_slug")?,
            spec: maybe_text(row, "spec_slug")?,
            runner: maybe_text(row, "runner_slug")?,
        })
    }
}

impl Described {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            job: Job::read(row)?,
            slugs: Slugs::read(row)?,
            config: KeptConfig::read(row)?,
            error: maybe_text(row, "error")?,
            summary: maybe_text(row, "summary")?,
            measured: maybe_text(row, "measured")?,
        })
    }
}

fn count_query() -> String {
    format!("SELECT {STATE} AS name, COUNT(*) AS jobs FROM jobs GROUP BY {STATE}")
}

/// `column`, unless `bytes` are many. Neither database reads a text to learn how many it has.
pub(super) fn short(column: &str, bytes: &str) -> String {
    format!("CASE WHEN {bytes} <= {SHORT} THEN {column} END AS {column}")
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
            "SELECT {COLUMNS}, {SLUGS}, error, config, variables, summary, measured \
             FROM jobs LEFT JOIN configs ON configs.job = jobs.id WHERE jobs.id = $1"
        );
        Described::read(&self.row_of_job(query, id).await?)
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

    /// Where it is told how the job was measured, if its runner has said it.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn evidence(&self, id: JobId) -> Result<Option<Kept>, StoreError> {
        let query = "SELECT evidence FROM jobs WHERE id = $1".to_owned();
        let row = self.row_of_job(query, id).await?;
        Ok(maybe_text(&row, "evidence")?.map(Kept::from_column))
    }

    /// `query` must be put together of constants only.
    pub(super) async fn row_of_job(&self, query: String, id: JobId) -> Result<AnyRow, StoreError> {
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

    /// Jobs whose results nobody has read yet, the oldest after `after` first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn unprocessed(
        &self,
        after: Option<JobId>,
        limit: u32,
    ) -> Result<Vec<Unprocessed>, StoreError> {
        let query = sqlx::query(UNPROCESSED)
            .bind(after.map(|job| job.to_string()).unwrap_or_default())
            .bind(i64::from(limit));
        all(&self.rows(query).await?, |row| {
            Ok(Unprocessed {
                job: parsed(row, "id")?,
                results: maybe_text(row, "results")?.map(Kept::from_column),
                trace: maybe_parsed(row, "trace")?,
            })
        })
    }

    /// The slugs of what the job refers to; none where there is no such job any more.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn slugs(&self, id: JobId) -> Result<Slugs, StoreError> {
        let query = format!("SELECT {SLUGS} FROM jobs WHERE id = $1");
        let query = sqlx::query(AssertSqlSafe(query)).bind(id.to_string());
        let row = self.row(query).await?;
        row.map_or_else(|| Ok(Slugs::default()), |row| Slugs::read(&row))
    }

    /// How many jobs are in each state.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_states(&self) -> Result<Vec<(State, u64)>, StoreError> {
        let query = sqlx::query(AssertSqlSafe(count_query()));
        all(&self.rows(query).await?, |row| {
            Ok((parsed(row, "name")?, number(row, "jobs")?))
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::super::row::text;
    use super::super::config::PLAIN;
    use super::*;

    /// How SQLite goes about `query` with these texts as its parameters.
    pub(in crate::store::jobs) async fn plan(
        store: &Store,
        query: &str,
        texts: Vec<String>,
    ) -> String {
        let query = format!("EXPLAIN QUERY PLAN {query}");
        let mut query = sqlx::query(AssertSqlSafe(query));
        for text in texts {
            query = query.bind(text);
        }
        let rows = store.rows(query).await.expect("a plan");
        let steps: Vec<String> = rows
            .iter()
            .map(|row| text(row, "detail").expect("a step"))
            .collect();
        steps.join("; ")
    }

    #[tokio::test]
    async fn every_filter_uses_an_index() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let none = Filter::default;
        let project = Some(ProjectId::generate());
        let runner = Some(RunnerId::generate());
        let comparison = Some(ComparisonId::generate());
        let state = Some(State::Failed);
        for (filter, index) in [
            (none(), "sqlite_autoindex_jobs_1 (id<?)"),
            (
                Filter { project, ..none() },
                "jobs_project (project=? AND id<?)",
            ),
            (Filter { state, ..none() }, "jobs_state (<expr>=? AND id<?)"),
            (
                Filter { runner, ..none() },
                "jobs_of_runner (runner=? AND id<?)",
            ),
            (
                Filter {
                    comparison,
                    ..none()
                },
                "jobs_comparison (comparison=?)",
            ),
        ] {
            let conditions = filter.conditions();
            let mut texts = vec!["f".to_owned()];
            texts.extend(conditions.iter().map(|(_, value)| value.clone()));
            texts.push("50".to_owned());
            let plan = plan(&store, &Filter::query(&conditions), texts).await;
            assert!(plan.contains(index), "{filter:?}: {plan}");
        }
        let plan = plan(&store, &count_query(), Vec::new()).await;
        assert!(plan.contains("USING COVERING INDEX jobs_state"), "{plan}");
        let plan = self::plan(&store, UNPROCESSED, vec!["1".to_owned(); 2]).await;
        assert!(plan.contains("INDEX jobs_completed (id>?)"), "{plan}");
        let plan = self::plan(&store, PLAIN, vec!["1".to_owned()]).await;
        assert!(plan.contains("USING INDEX configs_plain"), "{plan}");
    }
}
