//! What could be given out: of each kind of job the one that comes next, and what is behind it.
//!
//! Jobs of one project for one spec are a kind. There may be many kinds and many jobs of each, so a look
//! goes from one kind to the next in the index, and only of those that may get a machine more is read.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{Idle, JobId, Order, ProjectId, Share, SpecId, order};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::row::{all, number, parsed, places, time};
use super::super::{Signal, StoreError, Transaction};
use super::claim::BATCH;
use super::{COLUMNS, Job};

/// The next job of a kind, as it was when somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) project: ProjectId,
    spec: SpecId,
    order: Order,
    /// How many runners could take jobs of this kind.
    takers: usize,
}

/// What waits and is for any machine, as the index `jobs_free` has it.
const FREE: &str = "state = 'pending' AND is_held = 0 AND bound_to IS NULL";

impl Transaction {
    /// The next jobs of kinds that some of the `idle` can run, no more of them than may be needed: nothing
    /// is taken.
    pub(super) async fn heads(&mut self, idle: &[Idle]) -> Result<Vec<Head>, StoreError> {
        let mut takers: BTreeMap<SpecId, usize> = BTreeMap::new();
        for spec in idle.iter().flat_map(|one| &one.specs) {
            *takers.entry(*spec).or_default() += 1;
        }
        if takers.is_empty() {
            return Ok(Vec::new());
        }
        let query = heads(takers.len());
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for spec in takers.keys() {
            query = query.bind(spec.to_string());
        }
        let rows = query.fetch_all(self.connection()).await?;
        let heads = all(&rows, |row| self.head(row, &takers))?;
        let (needed, is_all) = needed(heads.into_iter().flatten().collect(), idle.len());
        if !is_all {
            self.signal(Signal::Queued);
        }
        Ok(needed)
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

    /// What comes next of a kind, unless its project has no room.
    fn head(
        &self,
        row: &AnyRow,
        takers: &BTreeMap<SpecId, usize>,
    ) -> Result<Option<Head>, StoreError> {
        let (project, spec) = (parsed(row, "project")?, parsed(row, "spec")?);
        let share = Share {
            active: number(row, "active")?,
            limit: number(row, "max_active")?,
            served: time(row, "served")?,
        };
        let share = self.current(project, share);
        let head = Head {
            project,
            spec,
            order: order(number(row, "priority")?, share, parsed(row, "id")?),
            takers: takers.get(&spec).copied().unwrap_or_default(),
        };
        Ok((share.room() > 0).then_some(head))
    }
}

/// The query of the next job of each kind for so many specs: from one kind to the next in the index, so
/// that it takes as long as there are kinds, however many jobs wait.
fn heads(specs: usize) -> String {
    let first = format!(
        "SELECT id FROM jobs WHERE {FREE} ORDER BY project, spec, priority DESC, id LIMIT 1"
    );
    let next = format!(
        "SELECT id FROM jobs WHERE {FREE} AND (project, spec) > (heads.project, heads.spec) \
         ORDER BY project, spec, priority DESC, id LIMIT 1"
    );
    let columns = "id, jobs.project, jobs.spec, jobs.priority FROM";
    format!(
        "WITH RECURSIVE heads (id, project, spec, priority) AS ( \
         SELECT jobs.{columns} jobs WHERE id = ({first}) \
         UNION ALL SELECT jobs.{columns} heads JOIN jobs ON jobs.id = ({next})) \
         SELECT heads.id, heads.project, heads.spec, heads.priority, projects.active, \
         projects.max_active, projects.served \
         FROM heads JOIN projects ON projects.id = heads.project \
         WHERE heads.spec IN ({})",
        places(1, specs)
    )
}

/// Of `heads` those that so many `idle` runners may need, and whether these are all that they may.
///
/// Each job that is given out, for whichever spec, puts one project behind others. So of the kinds of one
/// spec the first as many as there are runners hold all that these can get.
fn needed(mut heads: Vec<Head>, idle: usize) -> (Vec<Head>, bool) {
    heads.sort_by_key(|head| head.order);
    let mut chosen: HashMap<SpecId, usize> = HashMap::new();
    heads.retain(|head| {
        let chosen = chosen.entry(head.spec).or_default();
        *chosen += 1;
        *chosen <= idle
    });
    let is_all = heads.len() <= BATCH;
    heads.truncate(BATCH);
    (heads, is_all)
}
