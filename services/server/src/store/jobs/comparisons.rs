//! Comparisons are looked at: what they are follows from their jobs.

use std::collections::{BTreeMap, HashMap};

use bencher_jobs::{ComparisonId, ProjectId, State, Timestamp};
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::super::row::{all, maybe_time, number, parsed, places};
use super::super::{Page, Store, StoreError};
use super::list::{SLUGS, Slugs};
use super::{COLUMNS, Job};

/// A comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    /// Its identifier.
    pub id: ComparisonId,
    /// The job that comes first.
    pub first: Job,
    /// What that refers to.
    pub slugs: Slugs,
    /// How many jobs of each side are in each state.
    pub sides: BTreeMap<u32, Vec<(State, u32)>>,
    /// When the last of them ended; none while one has not.
    pub ended: Option<Timestamp>,
}

/// The first jobs of comparisons, the newest first. What the identifiers are below is the first parameter,
/// how many the last; of a project alone, that is in between.
fn query(project: Option<ProjectId>) -> String {
    let (condition, last) = match project {
        Some(_) => (" AND project = $2", 3),
        None => ("", 2),
    };
    format!(
        "SELECT {COLUMNS}, {SLUGS} FROM jobs WHERE comparison IS NOT NULL AND position = 0 \
         AND comparison < $1{condition} ORDER BY comparison DESC LIMIT ${last}"
    )
}

impl Store {
    /// Comparisons, of one project if it is named, the newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn comparisons(
        &self,
        project: Option<ProjectId>,
        page: &Page,
    ) -> Result<Vec<Comparison>, StoreError> {
        let mut asked = sqlx::query(AssertSqlSafe(query(project))).bind(page.below().to_owned());
        if let Some(project) = project {
            asked = asked.bind(project.to_string());
        }
        let rows = self.rows(asked.bind(page.limit())).await?;
        self.with_sides(&rows).await
    }

    /// The comparison.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub async fn comparison(&self, id: ComparisonId) -> Result<Comparison, StoreError> {
        let query =
            format!("SELECT {COLUMNS}, {SLUGS} FROM jobs WHERE comparison = $1 AND position = 0");
        let asked = sqlx::query(AssertSqlSafe(query)).bind(id.to_string());
        let rows = self.rows(asked).await?;
        let mut found = self.with_sides(&rows).await?;
        found
            .pop()
            .ok_or_else(|| StoreError::not_found("comparison", &id.to_string()))
    }

    /// The comparisons whose first jobs these are.
    async fn with_sides(&self, rows: &[AnyRow]) -> Result<Vec<Comparison>, StoreError> {
        let firsts = all(rows, |row| Ok((Job::read(row)?, Slugs::read(row)?)))?;
        let mut found: Vec<Comparison> = firsts
            .into_iter()
            .filter_map(|(first, slugs)| {
                Some(Comparison {
                    id: first.comparison?.comparison,
                    first,
                    slugs,
                    sides: BTreeMap::new(),
                    ended: None,
                })
            })
            .collect();
        if found.is_empty() {
            return Ok(found);
        }
        let query = format!(
            "SELECT comparison, side, state, COUNT(*) AS jobs, MAX(ended) AS ended FROM jobs \
             WHERE comparison IN ({}) GROUP BY comparison, side, state",
            places(1, found.len())
        );
        let mut query = sqlx::query(AssertSqlSafe(query)).persistent(false);
        for comparison in &found {
            query = query.bind(comparison.id.to_string());
        }
        let places: HashMap<ComparisonId, usize> = (0..)
            .zip(&found)
            .map(|(place, comparison)| (comparison.id, place))
            .collect();
        for row in self.rows(query).await? {
            let id: ComparisonId = parsed(&row, "comparison")?;
            let Some(comparison) = places.get(&id).map(|&place| &mut found[place]) else {
                continue;
            };
            let states = comparison.sides.entry(number(&row, "side")?).or_default();
            states.push((parsed(&row, "state")?, number(&row, "jobs")?));
            comparison.ended = comparison.ended.max(maybe_time(&row, "ended")?);
        }
        for comparison in &mut found {
            let mut states = comparison.sides.values().flatten();
            if !states.all(|(state, _)| state.is_over()) {
                comparison.ended = None;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::super::list::tests::plan;
    use super::*;

    #[tokio::test]
    async fn lists_use_the_index_of_comparisons() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let texts = vec!["f".to_owned(), "50".to_owned()];
        let plan = plan(&store, &query(None), texts).await;
        let index = "jobs_comparison (comparison>? AND comparison<?)";
        assert!(plan.contains(index), "{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    }
}
