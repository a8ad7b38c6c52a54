//! Numbers of the whole database, for whoever asks without a token: it is asked seldom, however often
//! they do.

use std::time::{Duration, Instant};

use bencher_jobs::State;
use tokio::sync::Mutex;

use crate::store::{Store, StoreError};

/// How many jobs are in each state.
type States = Vec<(State, u64)>;

/// The numbers, and when they were counted.
#[derive(Debug)]
pub(crate) struct Counted {
    /// How old they may be.
    age: Duration,
    last: Mutex<Option<(Instant, States)>>,
}

impl Counted {
    /// Numbers that may be as old as `age`.
    pub(crate) fn new(age: Duration) -> Self {
        Self {
            age,
            last: Mutex::default(),
        }
    }

    /// How many jobs are in each state. Those who ask together wait for one answer.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub(crate) async fn states(&self, store: &Store) -> Result<States, StoreError> {
        let mut last = self.last.lock().await;
        if let Some((when, states)) = &*last
            && when.elapsed() < self.age
        {
            return Ok(states.clone());
        }
        let states = store.count_states().await?;
        *last = Some((Instant::now(), states.clone()));
        Ok(states)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn it_is_counted_seldom() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let project = testing::project(&store, "p").await;
        let (seldom, always) = (Counted::new(Duration::MAX), Counted::new(Duration::ZERO));
        assert_eq!(seldom.states(&store).await.expect("none"), []);
        testing::submit(&store, project, 3).await;
        assert_eq!(seldom.states(&store).await.expect("none yet"), []);
        let states = always.states(&store).await.expect("three");
        assert_eq!(states, [(State::Pending, 3)]);
    }
}
