//! Room for those who watch jobs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bencher_jobs::TokenId;

/// How many of all may have the same token: a part of this.
const SHARE: usize = 4;

/// Who watches.
#[derive(Debug)]
pub(crate) struct Watchers {
    most: usize,
    now: Mutex<HashMap<TokenId, usize>>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Full {
    /// For nobody.
    Server,
    /// For this token.
    Token,
}

impl Watchers {
    /// Room for `most`.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            now: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<TokenId, usize>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes room for one, for as long as the value lives.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub(crate) fn enter(self: &Arc<Self>, token: TokenId) -> Result<Watching, Full> {
        let mut now = self.lock();
        if now.values().sum::<usize>() >= self.most {
            return Err(Full::Server);
        }
        let count = now.entry(token).or_default();
        if *count >= self.most.div_ceil(SHARE) {
            return Err(Full::Token);
        }
        *count += 1;
        drop(now);
        Ok(Watching {
            watchers: Arc::clone(self),
            token,
        })
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.lock().values().sum()
    }
}

/// Somebody who watches.
#[derive(Debug)]
pub(crate) struct Watching {
    watchers: Arc<Watchers>,
    token: TokenId,
}

impl Watching {
    /// The token that it began with.
    pub(crate) fn token(&self) -> TokenId {
        self.token
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut now = self.watchers.lock();
        if let Some(count) = now.get_mut(&self.token) {
            *count -= 1;
            if *count == 0 {
                now.remove(&self.token);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_all_the_room() {
        let watchers = Arc::new(Watchers::new(6));
        let tokens: Vec<_> = (0..4).map(|_| TokenId::generate()).collect();
        let mut all = Vec::new();
        for token in &tokens[..3] {
            for _ in 0..2 {
                all.push(watchers.enter(*token).expect("there is room"));
            }
        }
        assert_eq!(watchers.enter(tokens[3]).err(), Some(Full::Server));
        assert_eq!(watchers.count(), 6);
        let left = all.pop().expect("one");
        assert_eq!(left.token(), tokens[2]);
        drop(left);
        assert_eq!(watchers.enter(tokens[0]).err(), Some(Full::Token));
        all.push(watchers.enter(tokens[3]).expect("there is room"));
        drop(all);
        assert_eq!(watchers.count(), 0);
        assert!(watchers.lock().is_empty());
    }
}
