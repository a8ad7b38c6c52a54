//! Where results of jobs are.

use std::collections::HashMap;
use std::fmt::Write as _;

use bencher_jobs::JobId;
use sqlx::AssertSqlSafe;

use super::super::row::{maybe_text, parsed};
use super::super::{Store, StoreError};

impl Store {
    /// The objects that the database has as results and evidence of those of these jobs that it knows: none
    /// of those that were deleted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn results_of(
        &self,
        jobs: &[JobId],
    ) -> Result<HashMap<JobId, Vec<String>>, StoreError> {
        let mut places = "NULL".to_owned();
        for place in 1..=jobs.len() {
            let _ = write!(places, ", ${place}");
        }
        // What is in the database itself is not read: it is the name of no object.
        let query = format!(
            "SELECT id, CASE WHEN results LIKE '[%' THEN NULL ELSE results END AS results, \
             CASE WHEN evidence LIKE '{{%' THEN NULL ELSE evidence END AS evidence \
             FROM jobs WHERE id IN ({places}) \
             UNION ALL SELECT job AS id, NULL AS results, NULL AS evidence \
             FROM deleted_jobs WHERE job IN ({places})"
        );
        // Put together of constants and numbers only.
        let mut query = sqlx::query(AssertSqlSafe(query));
        for job in jobs {
            query = query.bind(job.to_string());
        }
        let rows = self.rows(query).await?;
        rows.iter()
            .map(|row| {
                let names = [maybe_text(row, "results")?, maybe_text(row, "evidence")?];
                Ok((parsed(row, "id")?, names.into_iter().flatten().collect()))
            })
            .collect()
    }
}
