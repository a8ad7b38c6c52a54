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
    /// When it began. A clock that is put back, or ahead, is nobody's doing who asks: what counts is how much
    /// time has gone by.
    start: Instant,
    requests: Buckets<TokenId>,
    refusals: Buckets<IpAddr>,
}

#[derive(Debug)]
struct Buckets<K> {
    rate: Rate,
    buckets: Mutex<HashMap<K, Bucket>>,
}

impl Limiter {
    /// One where everybody may ask.
    pub(crate) fn new(requests: Rate, refusals: Rate) -> Self {
        Self {
            start: Instant::now(),
            requests: Buckets::new(requests),
            refusals: Buckets::new(refusals),
        }
    }

    fn now(&self) -> Timestamp {
        let gone = self.start.elapsed().as_millis();
        Timestamp::from_milliseconds(i64::try_from(gone).unwrap_or(i64::MAX))
    }

    /// Counts a token's request.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn request(&self, token: TokenId) -> Result<(), Duration> {
        self.requests.take(token, 1.0, self.now())
    }

    /// Counts a key or a token of `address` that was not good.
    ///
    /// # Errors
    ///
    /// How long to wait, when there were too many.
    pub(crate) fn refuse(&self, address: IpAddr) -> Result<(), Duration> {
        self.refusals.take(address, 1.0, self.now())
    }
}

impl<K: Eq + Hash> Buckets<K> {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            buckets: Mutex::default(),
        }
    }

    fn take(&self, key: K, cost: f64, now: Timestamp) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= KEPT && !buckets.contains_key(&key) {
            buckets.retain(|_, bucket| !bucket.is_full(&self.rate, now));
        }
        buckets
            .entry(key)
            .or_insert_with(|| Bucket::full(&self.rate, now))
            .take(&self.rate, cost, now)
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
        let buckets = Buckets::new(RATE);
        assert!(buckets.take(1, 1.0, at(0)).is_ok());
        assert!(buckets.take(1, 1.0, at(0)).is_ok());
        assert!(buckets.take(1, 1.0, at(0)).is_err());
        assert!(buckets.take(2, 1.0, at(0)).is_ok());
        assert!(buckets.take(1, 1.0, at(1)).is_ok());
    }

    #[test]
    fn those_that_are_full_are_forgotten() {
        let buckets = Buckets::new(RATE);
        for key in 0..KEPT {
            assert!(buckets.take(key, 1.0, at(0)).is_ok());
        }
        assert!(buckets.take(KEPT, 1.0, at(9)).is_ok());
        assert_eq!(buckets.buckets.lock().expect("no panic").len(), 1);
    }
}
