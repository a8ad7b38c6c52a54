//! How often who may ask.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bencher_jobs::{Bucket, Rate, Timestamp, TokenId};

/// Buckets that are kept; beyond that those that are full are dropped, which changes nothing.
const KEPT: usize = 4096;

/// What is left of everybody's rate.
#[derive(Debug)]
pub(crate) struct Limiter {
    requests: Buckets<TokenId>,
    refusals: Buckets<IpAddr>,
}

#[derive(Debug)]
struct Buckets<K> {
    /// When it began. A clock that is put back, or ahead, is nobody's doing who asks: what counts is how much
    /// time has gone by.
    start: Instant,
    rate: Rate,
    kept: Mutex<HashMap<K, Bucket>>,
}

impl Limiter {
    /// One where everybody may ask.
    pub(crate) fn new(requests: Rate, refusals: Rate) -> Self {
        Self {
            requests: Buckets::new(requests),
            refusals: Buckets::new(refusals),
        }
    }

    /// Counts a token's request.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn request(&self, token: TokenId) -> Result<(), Duration> {
        self.requests.count(token)
    }

    /// Counts a key or a token of `address` that was not good.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn refuse(&self, address: IpAddr) -> Result<(), Duration> {
        self.refusals.count(address)
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self {
            start: Instant::now(),
            rate,
            kept: Mutex::default(),
        }
    }

    fn count(&self, key: K) -> Result<(), Duration> {
        let mut buckets = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever has the lock later is later.
        let gone = self.start.elapsed().as_millis();
        let now = Timestamp::from_milliseconds(i64::try_from(gone).unwrap_or(i64::MAX));
        self.take(&mut buckets, key, now)
    }

    fn take(
        &self,
        buckets: &mut HashMap<K, Bucket>,
        key: K,
        now: Timestamp,
    ) -> Result<(), Duration> {
        if buckets.len() >= KEPT && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(&self.rate, now));
        }
        buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(&self.rate, now))
            .take(&self.rate, 1.0, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        per_second: 1.0,
        burst: 2.0,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(seconds * 1000)
    }

    #[test]
    fn everybody_has_a_rate_of_their_own() {
        let (buckets, mut kept) = (Buckets::new(RATE), HashMap::new());
        assert!(buckets.take(&mut kept, 1, at(0)).is_ok());
        assert!(buckets.take(&mut kept, 1, at(0)).is_ok());
        assert!(buckets.take(&mut kept, 1, at(0)).is_err());
        assert!(buckets.take(&mut kept, 2, at(0)).is_ok());
        assert!(buckets.take(&mut kept, 1, at(1)).is_ok());
    }

    #[test]
    fn those_that_are_full_are_forgotten() {
        let (buckets, mut kept) = (Buckets::new(RATE), HashMap::new());
        for key in 0..KEPT {
            assert!(buckets.take(&mut kept, key, at(0)).is_ok());
        }
        assert!(buckets.take(&mut kept, KEPT, at(9)).is_ok());
        assert_eq!(kept.len(), 1);
    }
}
