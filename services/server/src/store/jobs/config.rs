//! What jobs run, as it is kept.
//!
//! | `variables` | the values of the job's variables are |
//! |---|---|
//! | a text | sealed in it, and `config` has only their names |
//! | `-` | none: there are no variables |
//! | empty, or nothing | in `config` as they are, if there are any: it was submitted to a server that did not seal them |

use bencher_jobs::JobId;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;
use tokio::time::timeout;

use super::super::connection::{BUSY, Lent, WRITING};
use super::super::row::{all, maybe_text, parsed, places, table, text, truth};
use super::super::{Dialect, Store, StoreError, Transaction};
use super::list::short;

/// The jobs whose variables are kept as they are.
pub(super) const PLAIN: &str =
    "SELECT job, config FROM configs WHERE COALESCE(variables, '') = '' ORDER BY job LIMIT $1";
/// What is kept instead of sealed variables where there are none.
const NONE: &str = "-";
/// How long SQLite's log may wait for those who read it, so that it is emptied. Nobody else can write meanwhile.
const EMPTYING: &str = "PRAGMA busy_timeout = 100";

/// What a job runs, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptConfig {
    /// JSON, as the runner gets it, but with empty values of variables where those are sealed.
    pub text: String,
    /// The variables, if they are sealed.
    pub sealed: Option<String>,
}

impl KeptConfig {
    /// What a row holds with the columns `config` and `variables`; nothing where they were too long.
    pub(super) fn read(row: &AnyRow) -> Result<Option<Self>, StoreError> {
        let Some(text) = maybe_text(row, "config")? else {
            return Ok(None);
        };
        let sealed =
            maybe_text(row, "variables")?.filter(|sealed| !sealed.is_empty() && sealed != NONE);
        Ok(Some(Self { text, sealed }))
    }

    /// What is written into the column `variables`.
    pub(super) fn variables(&self) -> &str {
        self.sealed.as_deref().unwrap_or(NONE)
    }

    /// The columns that it is read from, unless they are long together.
    pub(super) fn short_columns() -> String {
        let bytes = "octet_length(config) + COALESCE(octet_length(variables), 0)";
        format!("{}, {}", short("config", bytes), short("variables", bytes))
    }
}

impl Store {
    /// What the job runs.
    ///
    /// # Errors
    ///
    /// When there is no such job.
    pub async fn config(&self, id: JobId) -> Result<KeptConfig, StoreError> {
        let query = "SELECT config, variables FROM configs WHERE job = $1".to_owned();
        KeptConfig::read(&self.row_of_job(query, id).await?)?
            .ok_or_else(|| StoreError::not_found("job", &id.to_string()))
    }

    /// Jobs whose variables are kept as they are, if they have any, and what they run: JSON, as the runner gets it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn plain_configs(&self, limit: u32) -> Result<Vec<(JobId, String)>, StoreError> {
        let query = sqlx::query(PLAIN).bind(i64::from(limit));
        all(&self.rows(query).await?, |row| {
            Ok((parsed(row, "job")?, text(row, "config")?))
        })
    }

    /// Empties SQLite's log, which has what rows held before, and says whether it is empty. Those who read
    /// may keep it from being emptied.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        if self.dialect != Dialect::Sqlite {
            return Ok(true);
        }
        // One that is not given back begins anew, with its usual patience.
        let mut connection = Lent::from(&self.writers).await?;
        let emptying = async {
            sqlx::query(EMPTYING).execute(&mut *connection).await?;
            let done = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
                .fetch_one(&mut *connection)
                .await?;
            sqlx::query(BUSY).execute(&mut *connection).await?;
            Ok(!truth(&done, "busy")?)
        };
        let is_empty = timeout(WRITING, emptying)
            .await
            .unwrap_or(Err(StoreError::Late(WRITING)))?;
        connection.give_back();
        Ok(is_empty)
    }
}

impl Transaction {
    /// Keeps these instead of what was kept as it is, and says of how many jobs variables are sealed now that
    /// were not. Those that another server is at are left to it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn seal_configs(
        &mut self,
        sealed: &[(JobId, KeptConfig)],
    ) -> Result<u64, StoreError> {
        if sealed.is_empty() {
            return Ok(0);
        }
        let free = self.skipping(format!(
            "SELECT job FROM configs WHERE COALESCE(variables, '') = '' AND job IN ({})",
            places(1, sealed.len())
        ));
        let query = format!(
            "UPDATE configs SET config = news.column2, variables = news.column3 FROM {} AS news \
             WHERE configs.job = news.column1 AND configs.job IN ({}) \
             RETURNING variables",
            table(1 + sealed.len(), sealed.len(), 3),
            free.as_str()
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for (job, _) in sealed {
            query = query.bind(job.to_string());
        }
        for (job, config) in sealed {
            query = query
                .bind(job.to_string())
                .bind(config.text.clone())
                .bind(config.variables().to_owned());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let written = all(&rows, |row| text(row, "variables"))?;
        let sealed = written.iter().filter(|variables| *variables != NONE);
        Ok(sealed.count() as u64)
    }
}
