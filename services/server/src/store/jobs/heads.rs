//! Which kinds of jobs come next, and the jobs of these.
//!
//! Jobs of one project for one spec are a kind. There may be many projects that wait and many jobs of each.
//! So a look goes through projects in the order of their turns, only as far as there are runners, once for
//! each priority that there is among what waits for a spec; and only of the kinds that are found jobs are
//! read.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bencher_jobs::{Idle, JobId, Order, ProjectId, Share, SpecId, order};
use sqlx::AssertSqlSafe;

use super::super::row::{all, maybe_number, number, parsed, places, time};
use super::super::{Signal, StoreError, Transaction};
use super::claim::BATCH;
use super::{COLUMNS, Job};

/// A kind of which a job may come next, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) project: ProjectId,
    spec: SpecId,
    order: Order,
    /// How many runners could take jobs of this kind.
    takers: usize,
}

/// What waits and is for any machine, as the indices `jobs_free` and `jobs_levels` have it.
const FREE: &str = "state = 'pending' AND is_held = 0 AND bound_to IS NULL";

impl Transaction {
    /// The kinds that come next of those that some of the `idle` can run, no more than may be needed:
    /// nothing is taken.
    ///
    /// Each job that is given out, for whichever spec, puts one project behind others. So of the kinds of
    /// one spec the first as many as there are runners hold all that these can get.
    pub(super) async fn heads(&mut self, idle: &[Idle]) -> Result<Vec<Head>, StoreError> {
        let mut takers: BTreeMap<SpecId, usize> = BTreeMap::new();
        for spec in idle.iter().flat_map(|one| &one.specs) {
            *takers.entry(*spec).or_default() += 1;
        }
        // As many jobs as are given out at once.
        let count = idle.len().min(BATCH + 1);
        let mut heads = Vec::new();
        for (spec, takers) in takers {
            let mut found: BTreeMap<ProjectId, Order> = BTreeMap::new();
            let mut level = self.level(spec, None).await?;
            while let Some(priority) = level
                && found.len() < count
            {
                for (project, order) in self.turns(spec, priority, count).await? {
                    found.entry(project).or_insert(order);
                }
                level = self.level(spec, Some(priority)).await?;
            }
            heads.extend(found.into_iter().map(|(project, order)| Head {
                project,
                spec,
                order,
                takers,
            }));
        }
        heads.sort_by_key(|head| (head.order, head.spec));
        if heads.len() > BATCH {
            heads.truncate(BATCH);
            self.signal(Signal::Queued);
        }
        Ok(heads)
    }

    /// The highest priority of what waits for a spec, below another one if there is one.
    async fn level(&mut self, spec: SpecId, below: Option<u8>) -> Result<Option<u8>, StoreError> {
        let row = sqlx::query(AssertSqlSafe(level_query()))
            .bind(spec.to_string())
            .bind(below.map_or(i64::MAX, i64::from))
            .fetch_one(self.connection())
            .await?;
        maybe_number(&row, "level")
    }

    /// Of the projects that have room and jobs of this priority waiting for a spec, the first `count` in the
    /// order of their turns, and those that this transaction has changed.
    async fn turns(
        &mut self,
        spec: SpecId,
        priority: u8,
        count: usize,
    ) -> Result<Vec<(ProjectId, Order)>, StoreError> {
        // What the database does not know of yet is not where it belongs.
        let changed: BTreeSet<ProjectId> = self.counted().into_iter().collect();
        let mut turns = Vec::new();
        for (query, limit) in turns_queries(count, changed.len()) {
            let mut query = sqlx::query(AssertSqlSafe(query))
                .persistent(false)
                .bind(spec.to_string())
                .bind(i64::from(priority))
                .bind(i64::try_from(limit).unwrap_or(i64::MAX));
            for project in &changed {
                query = query.bind(project.to_string());
            }
            let rows = query.fetch_all(self.connection()).await?;
            turns.extend(all(&rows, |row| {
                let project = parsed(row, "id")?;
                let share = Share {
                    active: number(row, "active")?,
                    limit: number(row, "max_active")?,
                    served: time(row, "served")?,
                };
                let share = self.current(project, share);
                let order = order(priority, project, share);
                Ok((share.room() > 0).then_some((project, order)))
            })?);
        }
        Ok(turns.into_iter().flatten().collect())
    }

    /// The jobs of each kind that `heads` stand for, as many as could be given out: they are taken.
    pub(super) async fn behind(
        &mut self,
        heads: &[Head],
        shares: &BTreeMap<ProjectId, Share>,
    ) -> Result<HashMap<JobId, Job>, StoreError> {
        let mut jobs = HashMap::new();
        for head in heads {
            let share = shares.get(&head.project);
            let room = share.map_or(0, |share| share.room() as usize);
            let limit = head.takers.min(room).min(BATCH + 1);
            if limit == 0 {
                continue;
            }
            let query = self.skipping(format!(
                "SELECT {COLUMNS} FROM jobs WHERE project = $1 AND spec = $2 AND {FREE} \
                 ORDER BY priority DESC, id LIMIT $3"
            ));
            let rows = sqlx::query(query)
                .bind(head.project.to_string())
                .bind(head.spec.to_string())
                .bind(i64::try_from(limit).unwrap_or(i64::MAX))
                .fetch_all(self.connection())
                .await?;
            if rows.is_empty() {
                // Another server gave them out since the look: others may come before what is left.
                self.signal(Signal::Queued);
            }
            for job in all(&rows, Job::read)? {
                jobs.insert(job.id, job);
            }
        }
        Ok(jobs)
    }
}

fn level_query() -> String {
    format!("SELECT MAX(priority) AS level FROM jobs WHERE spec = $1 AND priority < $2 AND {FREE}")
}

/// The queries of turns with their limits: of `count` projects that are as the database says, along the
/// index, and of so many that are `changed`, by name.
fn turns_queries(count: usize, changed: usize) -> Vec<(String, usize)> {
    let turns = |which: &str| {
        format!(
            "SELECT id, active, max_active, served FROM projects WHERE queued > 0 AND {which} \
             AND EXISTS (SELECT 1 FROM jobs WHERE project = projects.id AND spec = $1 \
             AND priority = $2 AND {FREE}) ORDER BY active, served, id LIMIT $3"
        )
    };
    let known = "active < max_active";
    if changed == 0 {
        return vec![(turns(known), count)];
    }
    let names = places(4, changed);
    vec![
        (turns(&format!("{known} AND id NOT IN ({names})")), count),
        (turns(&format!("id IN ({names})")), changed),
    ]
}

#[cfg(test)]
mod tests {
    use sqlx::any::install_default_drivers;

    use super::*;
    use crate::store::Store;
    use crate::store::row::text;

    /// As many steps as there are projects with a turn: no job is read, and nothing is sorted.
    #[tokio::test]
    async fn a_look_goes_along_indices() {
        install_default_drivers();
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let mut transaction = store.begin().await.expect("a transaction");
        let mut plan = async |query: &str, names: &[&str]| {
            let query = format!("EXPLAIN QUERY PLAN {query}");
            let mut plan = sqlx::query(AssertSqlSafe(query)).bind("s").bind(0);
            if !names.is_empty() {
                plan = plan.bind(1);
            }
            for name in names {
                plan = plan.bind(*name);
            }
            let rows = plan.fetch_all(transaction.connection()).await;
            let steps = all(&rows.expect("a plan"), |row| text(row, "detail"));
            steps.expect("steps").join("; ")
        };
        assert_eq!(
            plan(&level_query(), &[]).await,
            "SEARCH jobs USING INDEX jobs_levels (spec=? AND priority<?)"
        );
        let has_job = "INDEX jobs_free (project=? AND spec=? AND priority=?)";
        let [(by_turns, _), (by_name, _)] = &turns_queries(1, 2)[..] else {
            panic!("some have changed");
        };
        let steps = plan(by_turns, &["p", "q"]).await;
        let turns = "SCAN projects USING INDEX projects_waiting; ";
        assert!(steps.starts_with(turns), "{steps}");
        assert!(
            steps.contains(has_job) && !steps.contains("TEMP"),
            "{steps}"
        );
        let steps = plan(by_name, &["p", "q"]).await;
        assert!(steps.starts_with("SEARCH projects "), "{steps}");
        assert!(steps.contains(has_job), "{steps}");
    }
}
