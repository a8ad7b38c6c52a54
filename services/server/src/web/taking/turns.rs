//! Turns of pages that are much work to make: so many at a time, and of one token one, so that nobody keeps others
//! from theirs.
//!
//! ```text
//! asked ──▶ the place of its token ──▶ one of all turns ──▶ made, until its work has ended
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bencher_jobs::TokenId;
use tokio::sync::{Mutex as Place, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::watchers::Full;

/// All turns, and who has one or waits for it.
#[derive(Debug)]
pub(super) struct Turns {
    all: Arc<Semaphore>,
    queues: Mutex<HashMap<TokenId, Queue>>,
}

/// Those of one token.
#[derive(Debug, Default)]
struct Queue {
    /// Whoever has it waits for one of all turns, or has it.
    place: Arc<Place<()>>,
    /// How many have the place or wait for it.
    count: usize,
}

impl Turns {
    pub(super) fn new(most: usize) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most)),
            queues: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, Queue>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A turn of this token, once it has come.
    ///
    /// # Errors
    ///
    /// When others have all of them for so long, or others of the token have its one.
    pub(super) async fn take(
        self: &Arc<Self>,
        token: TokenId,
        patience: Duration,
    ) -> Result<Turn, Full> {
        let end = Instant::now() + patience;
        let (waiter, place) = self.queue(token);
        let place = timeout_at(end, place.lock_owned()).await;
        let place = place.map_err(|_| Full::Token)?;
        let permit = timeout_at(end, Arc::clone(&self.all).acquire_owned()).await;
        match permit.map_err(|_| Full::Server)? {
            Ok(permit) => Ok(Turn {
                _permit: permit,
                _place: place,
                _waiter: waiter,
            }),
            Err(_) => unreachable!("it is never closed"),
        }
    }

    fn queue(self: &Arc<Self>, token: TokenId) -> (Waiter, Arc<Place<()>>) {
        let mut queues = self.lock();
        let queue = queues.entry(token).or_default();
        queue.count += 1;
        let place = Arc::clone(&queue.place);
        drop(queues);
        let waiter = Waiter {
            turns: Arc::clone(self),
            token,
        };
        (waiter, place)
    }
}

/// A turn, as long as the value lives. Its parts are given back in their order.
#[derive(Debug)]
pub(in super::super) struct Turn {
    _permit: OwnedSemaphorePermit,
    _place: OwnedMutexGuard<()>,
    _waiter: Waiter,
}

/// One who has the place of a token, or waits for it.
#[derive(Debug)]
struct Waiter {
    turns: Arc<Turns>,
    token: TokenId,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut queues = self.turns.lock();
        if let Some(queue) = queues.get_mut(&self.token) {
            queue.count -= 1;
            if queue.count == 0 {
                queues.remove(&self.token);
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
        let turns = Arc::new(Turns::new(2));
        let [one, other, third] = [(); 3].map(|()| TokenId::generate());
        let first = turns.take(one, LATE).await.expect("there is one");
        let mut second = pin!(turns.take(one, LATE));
        assert!(poll!(&mut second).is_pending(), "it has one already");
        let left = turns.take(one, Duration::ZERO).await;
        assert_eq!(left.err(), Some(Full::Token));
        let others = turns.take(other, LATE).await.expect("there is one");
        let full = turns.take(third, Duration::ZERO).await;
        assert_eq!(full.err(), Some(Full::Server));
        drop(first);
        let second = second.await.expect("it is its turn");
        assert_eq!(turns.all.available_permits(), 0);
        drop((second, others));
        assert_eq!(turns.all.available_permits(), 2);
        assert!(turns.lock().is_empty(), "nobody is remembered");
    }

    #[tokio::test]
    async fn who_does_not_wait_any_more_is_in_nobodys_way() {
        let turns = Arc::new(Turns::new(1));
        let token = TokenId::generate();
        let first = turns.take(token, LATE).await.expect("there is one");
        let mut left = Box::pin(turns.take(token, LATE));
        assert!(poll!(&mut left).is_pending());
        let mut next = pin!(turns.take(token, LATE));
        assert!(poll!(&mut next).is_pending());
        drop((left, first));
        drop(next.await.expect("it is its turn"));
        assert!(turns.lock().is_empty(), "nobody is remembered");
    }
}
