//! How long those have waited that wait.

use std::collections::HashSet;

use bencher_jobs::{RunnerId, SpecId, Timestamp};
use sqlx::AssertSqlSafe;

use super::super::row::{all, maybe_parsed, maybe_time, parsed};
use super::super::{Store, StoreError};
use super::list::STATE;

/// Jobs that are looked at, the oldest ones: a look is to cost little however many wait.
const MOST: u32 = 10_000;

/// When the oldest jobs that wait were submitted, as far as they wait for a machine. Those of a comparison that
/// wait for its other jobs are none of them, as long as there is their machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Oldest {
    /// Of those that a runner that is connected could take.
    pub(crate) with_runner: Option<Timestamp>,
    /// Of those that no runner that is connected can take.
    pub(crate) without_runner: Option<Timestamp>,
}

/// What waits, by what it waits for.
fn oldest_query() -> String {
    format!(
        "SELECT spec, bound_to, MIN(created) AS oldest FROM (SELECT spec, bound_to, created, is_held, held_until FROM jobs \
         WHERE {STATE} = 'pending' ORDER BY id LIMIT {MOST}) AS waiting \
         WHERE is_held = 0 OR held_until IS NOT NULL GROUP BY spec, bound_to"
    )
}

/// Who could take what.
const TAKERS: &str = "SELECT runner_specs.runner AS runner, runner_specs.spec AS spec FROM runner_specs \
    JOIN runners ON runners.id = runner_specs.runner WHERE runners.archived IS NULL \
    AND runners.connection IS NOT NULL AND runners.seen >= $1";

impl Store {
    /// When the oldest jobs that wait were submitted. Runners are connected of which something was heard since
    /// `since`. Of more than ten thousand jobs that wait the oldest ones are looked at.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn oldest_waiting(&self, since: Timestamp) -> Result<Oldest, StoreError> {
        let rows = self
            .rows(sqlx::query(AssertSqlSafe(oldest_query())))
            .await?;
        let waiting: Vec<(SpecId, Option<RunnerId>, Option<Timestamp>)> = all(&rows, |row| {
            Ok((
                parsed(row, "spec")?,
                maybe_parsed(row, "bound_to")?,
                maybe_time(row, "oldest")?,
            ))
        })?;
        if waiting.is_empty() {
            return Ok(Oldest::default());
        }
        let query = sqlx::query(TAKERS).bind(since.milliseconds());
        let takers = all(&self.rows(query).await?, |row| {
            Ok((parsed(row, "runner")?, parsed(row, "spec")?))
        })?;
        Ok(oldest(&waiting, &takers))
    }
}

fn oldest(
    waiting: &[(SpecId, Option<RunnerId>, Option<Timestamp>)],
    takers: &[(RunnerId, SpecId)],
) -> Oldest {
    let takers: HashSet<(RunnerId, SpecId)> = takers.iter().copied().collect();
    let specs: HashSet<SpecId> = takers.iter().map(|(_, spec)| *spec).collect();
    let earlier = |known: Option<Timestamp>, one: Option<Timestamp>| match (known, one) {
        (Some(known), Some(one)) => Some(known.min(one)),
        (known, one) => known.or(one),
    };
    let mut oldest = Oldest::default();
    for &(spec, bound_to, created) in waiting {
        match bound_to {
            Some(runner) if takers.contains(&(runner, spec)) => {}
            None if specs.contains(&spec) => {
                oldest.with_runner = earlier(oldest.with_runner, created);
            }
            _ => oldest.without_runner = earlier(oldest.without_runner, created),
        }
    }
    oldest
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::plan;
    use super::*;

    #[test]
    fn who_waits_for_a_machine_and_who_for_nobody() {
        let at = |moment| Some(Timestamp::from_milliseconds(moment));
        let (served, lonely) = (SpecId::generate(), SpecId::generate());
        let (here, gone) = (RunnerId::generate(), RunnerId::generate());
        let takers = [(here, served)];
        for (waiting, with_runner, without_runner) in [
            (&[][..], None, None),
            (&[(served, None, at(3)), (served, None, at(2))], at(2), None),
            (
                &[(served, None, at(3)), (lonely, None, at(1))],
                at(3),
                at(1),
            ),
            (&[(served, Some(here), at(1))], None, None),
            (&[(served, Some(gone), at(1))], None, at(1)),
            // It is not linked to that any more.
            (&[(lonely, Some(here), at(1))], None, at(1)),
        ] {
            let expected = Oldest {
                with_runner,
                without_runner,
            };
            assert_eq!(oldest(waiting, &takers), expected, "{waiting:?}");
        }
    }

    #[tokio::test]
    async fn a_look_reads_no_more_than_it_must() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let plan = plan(&store, &oldest_query(), Vec::new()).await;
        assert!(
            plan.contains("SEARCH jobs USING INDEX jobs_state (<expr>=?)"),
            "{plan}"
        );
        // Only what is looked at is sorted.
        assert_eq!(plan.matches("TEMP B-TREE").count(), 1, "{plan}");
    }
}
