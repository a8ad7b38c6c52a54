//! Room in memory for results that are read.
//!
//! A result may be as long as a runner's message, and whoever asks for it may take it slowly. So whoever reads one
//! takes room for it first, and gives it back once what was read is gone: with the last byte that was sent of it.
//! One token gets a part of all, so that nobody keeps others from theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bencher_jobs::TokenId;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::watchers::Full;

/// Room for all, in bytes, unless one result needs more.
const MOST: usize = 256 << 20;
/// How much of it one token may have: a part of this.
const SHARE: usize = 4;
/// What is read is there twice for a moment: as it is kept, and as it is looked at.
const COPIES: usize = 2;
/// How long room is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// Room, and who has how much of it.
#[derive(Debug)]
pub(crate) struct Room {
    most: usize,
    share: usize,
    held: Mutex<HashMap<TokenId, usize>>,
    freed: Notify,
}

impl Room {
    /// Room for results of `longest` bytes at most.
    pub(crate) fn new(longest: usize) -> Self {
        let one = longest.saturating_mul(COPIES);
        let most = MOST.max(one);
        Self {
            most,
            share: (most / SHARE).max(one),
            held: Mutex::default(),
            freed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Room to read what is `length` bytes long as it is kept, once there is some.
    ///
    /// # Errors
    ///
    /// When there is none for some seconds.
    pub(crate) async fn read(
        self: &Arc<Self>,
        token: TokenId,
        length: usize,
    ) -> Result<Held, Full> {
        self.take(token, length.saturating_mul(COPIES)).await
    }

    /// Room for `bytes`, once there is some.
    ///
    /// # Errors
    ///
    /// When there is none for some seconds.
    pub(crate) async fn take(self: &Arc<Self>, token: TokenId, bytes: usize) -> Result<Held, Full> {
        // What is from a time when results could be longer takes all that one may have.
        let bytes = bytes.min(self.share);
        let end = Instant::now() + PATIENCE;
        loop {
            // Before the look, so that nothing that is freed falls between.
            let freed = self.freed.notified();
            let full = match self.try_take(token, bytes) {
                Ok(held) => return Ok(held),
                Err(full) => full,
            };
            if timeout_at(end, freed).await.is_err() {
                return Err(full);
            }
        }
    }

    fn try_take(self: &Arc<Self>, token: TokenId, bytes: usize) -> Result<Held, Full> {
        let mut held = self.lock();
        if held.get(&token).unwrap_or(&0) + bytes > self.share {
            return Err(Full::Token);
        }
        if held.values().sum::<usize>() + bytes > self.most {
            return Err(Full::Server);
        }
        *held.entry(token).or_default() += bytes;
        drop(held);
        Ok(Held {
            room: Arc::clone(self),
            token,
            bytes,
        })
    }
}

/// Room that is taken, as long as the value lives.
#[derive(Debug)]
pub(crate) struct Held {
    room: Arc<Room>,
    token: TokenId,
    bytes: usize,
}

impl Held {
    /// Gives all but `bytes` of it back.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let given = self.bytes.saturating_sub(bytes);
        self.bytes -= given;
        let mut held = self.room.lock();
        if let Some(count) = held.get_mut(&self.token) {
            *count -= given;
            if *count == 0 {
                held.remove(&self.token);
            }
        }
        drop(held);
        self.room.freed.notify_waiters();
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shrink(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn nobody_takes_all_the_room() {
        let room = Arc::new(Room::new(16 * MIB));
        let tokens: Vec<_> = (0..5).map(|_| TokenId::generate()).collect();
        let mut all = Vec::new();
        for token in &tokens[..4] {
            for _ in 0..2 {
                all.push(room.try_take(*token, 32 * MIB).expect("there is room"));
            }
        }
        assert_eq!(room.try_take(tokens[0], 1).err(), Some(Full::Token));
        assert_eq!(room.try_take(tokens[4], 1).err(), Some(Full::Server));
        // What is left to be sent is less than what was read.
        let mut last = all.pop().expect("one");
        last.shrink(31 * MIB);
        assert_eq!(room.try_take(tokens[4], 2 * MIB).err(), Some(Full::Server));
        all.push(room.try_take(tokens[4], MIB).expect("there is room"));
        drop((last, all));
        assert!(room.lock().is_empty());
    }

    #[tokio::test]
    async fn the_longest_result_finds_room_and_what_is_longer_does_too() {
        for longest in [1, 16 * MIB, 1024 * MIB] {
            let room = Arc::new(Room::new(longest));
            let token = TokenId::generate();
            let held = room.read(token, longest).await.expect("there is room");
            drop(held);
            let all = room.read(token, usize::MAX).await.expect("there is room");
            assert_eq!(room.try_take(token, 1).err(), Some(Full::Token));
            drop(all);
        }
    }

    #[tokio::test]
    async fn who_waits_gets_what_is_given_back() {
        let room = Arc::new(Room::new(16 * MIB));
        let token = TokenId::generate();
        let mut held = room.take(token, 64 * MIB).await.expect("there is room");
        let mut waiting = std::pin::pin!(room.take(token, 40 * MIB));
        let early = futures_util::FutureExt::now_or_never(waiting.as_mut());
        assert!(early.is_none());
        held.shrink(30 * MIB);
        let early = futures_util::FutureExt::now_or_never(waiting.as_mut());
        assert!(early.is_none(), "it is not enough");
        held.shrink(20 * MIB);
        waiting.await.expect("there is room");
    }
}
