//! What is bound to machines: the rest of comparisons whose first job a machine has got.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{Idle, JobId, ProjectId, RunnerId, Share, SpecId};
use sqlx::AssertSqlSafe;

use super::super::row::{all, parsed, places};
use super::super::{StoreError, Transaction};
use super::{COLUMNS, Job};

/// A job that is bound to a machine that waits, as it was when somebody looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    job: JobId,
    pub(super) project: ProjectId,
}

impl Transaction {
    /// Of what is bound to each of the `idle` the next job of each kind that it could take: one that can
    /// not run now is not to hold up the others. Nothing is taken.
    pub(super) async fn bound(&mut self, idle: &[Idle]) -> Result<Vec<Bound>, StoreError> {
        let any = sqlx::query(
            "SELECT id FROM jobs WHERE state = 'pending' AND bound_to IS NOT NULL LIMIT 1",
        )
        .fetch_optional(self.connection())
        .await?;
        if any.is_none() {
            return Ok(Vec::new());
        }
        let query = format!(
            "SELECT bound_to, project, spec, MIN(id) AS id FROM jobs WHERE state = 'pending' \
             AND is_held = 0 AND bound_to IS NOT NULL AND bound_to IN ({}) GROUP BY bound_to, project, spec",
            places(1, idle.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for one in idle {
            query = query.bind(one.runner.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let specs: HashMap<RunnerId, &[SpecId]> = idle
            .iter()
            .map(|one| (one.runner, one.specs.as_slice()))
            .collect();
        let firsts: Vec<(RunnerId, SpecId, Bound)> = all(&rows, |row| {
            let bound = Bound {
                job: parsed(row, "id")?,
                project: parsed(row, "project")?,
            };
            Ok((parsed(row, "bound_to")?, parsed(row, "spec")?, bound))
        })?;
        Ok(firsts
            .into_iter()
            .filter(|(runner, spec, _)| specs.get(runner).is_some_and(|specs| specs.contains(spec)))
            .map(|(.., bound)| bound)
            .collect())
    }

    /// Those of `bound` that still wait and whose projects have room: they are taken.
    pub(super) async fn still(
        &mut self,
        bound: &[Bound],
        shares: &BTreeMap<ProjectId, Share>,
    ) -> Result<HashMap<JobId, Job>, StoreError> {
        let has_room = |project| shares.get(project).is_some_and(|share| share.room() > 0);
        let ids: Vec<JobId> = bound
            .iter()
            .filter(|bound| has_room(&bound.project))
            .map(|bound| bound.job)
            .collect();
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = self.skipping(format!(
            "SELECT {COLUMNS} FROM jobs WHERE state = 'pending' AND is_held = 0 AND id IN ({})",
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
