//! Turns at what takes much: so many at a time, and so many of one key, so that nobody keeps others from theirs.
//!
//! ```text
//! asked ──▶ a place of its key ──▶ one of all turns ──▶ at work, until the value is dropped
//! ```

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bencher_jobs::TokenId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::watchers::Full;

/// All turns, and who has one or waits for it.
#[derive(Debug)]
pub(crate) struct Turns<K> {
    all: Arc<Semaphore>,
    /// How many places a key has.
    of_one: usize,
    queues: Mutex<HashMap<K, Queue>>,
}

/// Those of one key.
#[derive(Debug)]
struct Queue {
    /// Whoever has one of them waits for one of all turns, or has it.
    places: Arc<Semaphore>,
    /// How many have a place or wait for it.
    count: usize,
}

impl<K> Turns<K> {
    /// `most` turns, of which one key has `of_one` at the most.
    pub(crate) fn new(most: usize, of_one: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            of_one,
            queues: Mutex::new(HashMap::new()),
        }
    }

    /// How many nobody has.
    #[cfg(test)]
    pub(crate) fn left(&self) -> usize {
        self.all.available_permits()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Clone + Eq + Hash> Turns<K> {
    /// A turn of this key, once it has come.
    pub(crate) async fn take(self: &Arc<Self>, key: K) -> Turn<K> {
        let place = self.place(key).await;
        self.turn(place).await
    }

    async fn place(self: &Arc<Self>, key: K) -> Place<K> {
        let (waiter, places) = self.queue(key);
        Place {
            _permit: one_of(places).await,
            _waiter: waiter,
        }
    }

    fn queue(self: &Arc<Self>, key: K) -> (Waiter<K>, Arc<Semaphore>) {
        let mut queues = self.lock();
        let queue = queues.entry(key.clone()).or_insert_with(|| Queue {
            places: Arc::new(Semaphore::new(self.of_one)),
            count: 0,
        });
        queue.count += 1;
        let places = Arc::clone(&queue.places);
        drop(queues);
        let turns = Arc::clone(self);
        (Waiter { turns, key }, places)
    }

    async fn turn(&self, place: Place<K>) -> Turn<K> {
        Turn {
            _permit: one_of(Arc::clone(&self.all)).await,
            _place: place,
        }
    }
}

async fn one_of(permits: Arc<Semaphore>) -> OwnedSemaphorePermit {
    let Ok(permit) = permits.acquire_owned().await else {
        unreachable!("it is never closed");
    };
    permit
}

impl Turns<TokenId> {
    /// A turn of this token, if it comes in time.
    ///
    /// # Errors
    ///
    /// When others have all of them for so long, or others of the token have all of its own.
    pub(crate) async fn take_within(
        self: &Arc<Self>,
        token: TokenId,
        patience: Duration,
    ) -> Result<Turn<TokenId>, Full> {
        let end = Instant::now() + patience;
        let place = timeout_at(end, self.place(token)).await;
        let place = place.map_err(|_| Full::Token)?;
        let turn = timeout_at(end, self.turn(place)).await;
        turn.map_err(|_| Full::Server)
    }
}

/// A turn, as long as the value lives. Its parts are given back in their order.
#[derive(Debug)]
pub(crate) struct Turn<K: Eq + Hash> {
    _permit: OwnedSemaphorePermit,
    _place: Place<K>,
}

/// A place of a key, with the same order.
#[derive(Debug)]
struct Place<K: Eq + Hash> {
    _permit: OwnedSemaphorePermit,
    _waiter: Waiter<K>,
}

/// One who has a place of a key, or waits for it.
#[derive(Debug)]
struct Waiter<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
}

impl<K: Eq + Hash> Drop for Waiter<K> {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        if let Some(queue) = queues.get_mut(&self.key) {
            queue.count -= 1;
            if queue.count == 0 {
                queues.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;

    use super::*;

    /// What a test does not wait for.
    const LATE: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_token_has_one_turn_at_a_time_and_others_have_theirs() {
        let turns = Arc::new(Turns::new(2, 1));
        let [one, other, third] = [(); 3].map(|()| TokenId::generate());
        let first = turns.take(one).await;
        let mut second = pin!(turns.take(one));
        assert!(poll!(&mut second).is_pending(), "it has one already");
        let left = turns.take_within(one, Duration::ZERO).await;
        assert_eq!(left.err(), Some(Full::Token));
        let others = turns.take_within(other, LATE).await.expect("there is one");
        let full = turns.take_within(third, Duration::ZERO).await;
        assert_eq!(full.err(), Some(Full::Server));
        drop(first);
        let second = second.await;
        assert_eq!(turns.left(), 0);
        drop((second, others));
        assert_eq!(turns.left(), 2);
        assert!(turns.lock().is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_is_in_nobodys_way() {
        let turns = Arc::new(Turns::new(1, 1));
        let token = TokenId::generate();
        let first = turns.take(token).await;
        let mut left = Box::pin(turns.take(token));
        assert!(poll!(&mut left).is_pending());
        let mut next = pin!(turns.take(token));
        assert!(poll!(&mut next).is_pending());
        drop((left, first));
        drop(next.await);
        assert!(turns.lock().is_empty(), "nobody is remembered");
    }
}
