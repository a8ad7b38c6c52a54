//! Numbers of the whole database, for whoever asks without a token: it is asked seldom, however often
//! they do.

use std::time::{Duration, Instant};

use bencher_jobs::{State, Timestamp};
use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::store::{Oldest, Store, StoreError};

/// How long counting may take: less than Prometheus waits for an answer, whose other numbers are worth most
/// while the database hangs.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// How many jobs are in each state.
    pub(crate) states: Vec<(State, u64)>,
    /// When the oldest of those that wait were submitted.
    pub(crate) oldest: Oldest,
}

/// The numbers, and when they were counted; none if they could not be.
#[derive(Debug)]
pub(crate) struct Counted {
    /// How old they may be.
    age: Duration,
    last: Mutex<Option<(Instant, Option<Numbers>)>>,
}

impl Counted {
    /// Numbers that may be as old as `age`.
    pub(crate) fn new(age: Duration) -> Self {
        Self {
            age,
            last: Mutex::default(),
        }
    }

    /// The numbers, with runners that are connected of which something was heard within `connected`; nothing
    /// if the database does not answer. Those who ask together wait for one answer.
    pub(crate) async fn numbers(&self, store: &Store, connected: Duration) -> Option<Numbers> {
        let mut last = self.last.lock().await;
        if let Some((when, numbers)) = &*last
            && when.elapsed() < self.age
        {
            return numbers.clone();
        }
        let counted = timeout(PATIENCE, count(store, connected)).await;
        let numbers = counted.unwrap_or(Err(StoreError::Late(PATIENCE)));
        let numbers = numbers
            .inspect_err(|error| tracing::warn!(%error, "jobs were not counted"))
            .ok();
        *last = Some((Instant::now(), numbers.clone()));
        numbers
    }
}

async fn count(store: &Store, connected: Duration) -> Result<Numbers, StoreError> {
    let since = Timestamp::now().before(connected);
    Ok(Numbers {
        states: store.count_states().await?,
        oldest: store.oldest_waiting(since).await?,
    })
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
        let hour = Duration::from_hours(1);
        let none = Some(Numbers::default());
        assert_eq!(seldom.numbers(&store, hour).await, none);
        testing::submit(&store, project, 3).await;
        assert_eq!(seldom.numbers(&store, hour).await, none);
        let numbers = always.numbers(&store, hour).await.expect("three");
        assert_eq!(numbers.states, [(State::Pending, 3)]);
        assert!(numbers.oldest.without_runner.is_some());
        store.close().await;
        assert_eq!(seldom.numbers(&store, hour).await, none);
        assert_eq!(always.numbers(&store, hour).await, None);
    }
}
