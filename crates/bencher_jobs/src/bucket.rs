//! Rate limits: a token bucket.

use std::time::Duration;

use crate::Timestamp;

/// How often something may happen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In the long run, each second.
    pub per_second: f64,
    /// At once, after a pause.
    pub burst: f64,
}

/// What is left of a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    tokens: f64,
    filled: Timestamp,
}

impl Bucket {
    /// A full one.
    pub fn full(rate: &Rate, now: Timestamp) -> Self {
        Self {
            tokens: rate.burst,
            filled: now,
        }
    }

    /// Takes `cost` out.
    ///
    /// # Errors
    ///
    /// How long to wait, when that much is not in it; nothing is taken then.
    pub fn take(&mut self, rate: &Rate, cost: f64, now: Timestamp) -> Result<(), Duration> {
        let gained = now.since(self.filled).as_secs_f64() * rate.per_second;
        self.tokens = (self.tokens + gained).min(rate.burst);
        // A clock that was put back gives nothing for that, and goes on from there.
        self.filled = now;
        if self.tokens >= cost {
            self.tokens -= cost;
            return Ok(());
        }
        let missing = (cost - self.tokens) / rate.per_second;
        Err(Duration::try_from_secs_f64(missing).unwrap_or(Duration::MAX))
    }

    /// Whether it has been left alone for so long that a full one is the same.
    pub fn is_full(&self, rate: &Rate, now: Timestamp) -> bool {
        self.tokens + now.since(self.filled).as_secs_f64() * rate.per_second >= rate.burst
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10.0,
        burst: 5.0,
    };

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    #[test]
    fn a_burst_and_then_a_rate() {
        let mut bucket = Bucket::full(&RATE, at(0));
        for _ in 0..5 {
            assert_eq!(bucket.take(&RATE, 1.0, at(0)), Ok(()));
        }
        let wait = bucket.take(&RATE, 1.0, at(0)).expect_err("it is empty");
        assert_eq!(wait, Duration::from_millis(100));
        assert!(!bucket.is_full(&RATE, at(400)));
        assert_eq!(bucket.take(&RATE, 1.0, at(100)), Ok(()));
        assert!(bucket.is_full(&RATE, at(10_000)));
        let wait = bucket.take(&RATE, 100.0, at(10_000)).expect_err("too much");
        assert!(wait > Duration::from_secs(9));
    }

    #[test]
    fn a_clock_that_was_ahead_and_is_put_back_locks_nobody_out() {
        let hour = 3_600_000;
        let mut bucket = Bucket::full(&RATE, at(hour));
        for _ in 0..5 {
            assert_eq!(bucket.take(&RATE, 1.0, at(hour)), Ok(()));
        }
        assert!(bucket.take(&RATE, 1.0, at(0)).is_err(), "not for that");
        assert_eq!(bucket.take(&RATE, 1.0, at(100)), Ok(()));
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate(pauses in prop::collection::vec(-50..200i64, 1..200)) {
            let mut bucket = Bucket::full(&RATE, at(0));
            let (mut now, mut gone, mut taken) = (0, 0, 0.0);
            for pause in pauses {
                now += pause;
                // What has gone by, of a clock that is put back now and then.
                gone += pause.max(0);
                if bucket.take(&RATE, 1.0, at(now)).is_ok() {
                    taken += 1.0;
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "some seconds")]
            let allowed = RATE.burst + RATE.per_second * gone as f64 / 1000.0;
            prop_assert!(taken <= allowed + 1e-6, "{} of {}", taken, allowed);
        }
    }
}
