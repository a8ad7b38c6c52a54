//! Ends transfers that would take for ever.
//!
//! A server that sends one byte a second never runs into an idle time-out. So what arrives is
//! counted over windows of time, and a window that brought too little ends the transfer.

use std::time::{Duration, Instant};

/// The least that a server has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeastRate {
    /// How many bytes there must be…
    pub bytes: u64,
    /// … in each of these spans of time.
    pub every: Duration,
}

impl Default for LeastRate {
    /// 1 KiB/s over 30 seconds: a modem would be faster.
    fn default() -> Self {
        Self {
            bytes: 30 << 10,
            every: Duration::from_secs(30),
        }
    }
}

/// Counts what arrives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    least: LeastRate,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn new(least: LeastRate, now: Instant) -> Self {
        Self {
            least,
            since: now,
            bytes: 0,
        }
    }

    /// Notes that `bytes` have arrived; whether that is fast enough.
    pub(super) fn arrived(&mut self, bytes: usize, now: Instant) -> bool {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if now.saturating_duration_since(self.since) < self.least.every {
            return true;
        }
        let is_enough = self.bytes >= self.least.bytes;
        self.since = now;
        self.bytes = 0;
        is_enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trickle_ends_and_a_stream_does_not() {
        let least = LeastRate {
            bytes: 100,
            every: Duration::from_secs(10),
        };
        let start = Instant::now();
        let seconds_until_end = |bytes: usize| {
            let mut pace = Pace::new(least, start);
            (1..1000).find(|&second| !pace.arrived(bytes, start + Duration::from_secs(second)))
        };
        assert_eq!(seconds_until_end(1), Some(10));
        assert_eq!(seconds_until_end(9), Some(10));
        assert_eq!(seconds_until_end(10), None);
    }

    #[test]
    fn a_fast_beginning_does_not_pay_for_a_trickle() {
        let start = Instant::now();
        let mut pace = Pace::new(LeastRate::default(), start);
        assert!(pace.arrived(1 << 30, start + Duration::from_secs(1)));
        assert!(pace.arrived(1, start + Duration::from_secs(31)));
        assert!(!pace.arrived(1, start + Duration::from_secs(62)));
    }
}
