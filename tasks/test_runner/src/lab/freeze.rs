//! Whether the lab has frozen.
//!
//! An emulated machine with nested virtualization can stop for ever: no virtual processor runs and
//! no interrupt wakes one. A lab that works or idles looks different: its agent says every second
//! that it is alive, and a lab that is too busy for that uses processor time.
//!
//! ```text
//!           said something or used processor time
//!          ┌──────────────────────────────────────┐
//!          ▼                                      │
//!       moving ── neither ──► still since t ──────┘
//!                                  │ for the limit
//!                                  ▼
//!                               frozen
//! ```

use std::time::Duration;

/// What is known of a lab's movements. Times are those since any fixed moment.
#[derive(Debug, Clone)]
pub(crate) struct FreezeDetector {
    /// How long it must have been still to count as frozen.
    limit: Duration,
    /// When it last moved.
    moved: Duration,
    /// What its processors had used then, in any unit.
    processor_time: u64,
    /// Whether it has said something since the last sample.
    heard: bool,
}

impl FreezeDetector {
    /// Knows of a lab that was started at the moment 0.
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            moved: Duration::ZERO,
            processor_time: 0,
            heard: false,
        }
    }

    /// The lab said something.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// Takes a sample and returns whether the lab is frozen.
    pub(crate) fn sample(&mut self, now: Duration, processor_time: u64) -> bool {
        if self.heard || processor_time != self.processor_time {
            self.heard = false;
            self.processor_time = processor_time;
            self.moved = now;
        }
        now.saturating_sub(self.moved) >= self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Samples one second apart: what the processors used until then, whether something was heard.
    fn frozen_after(samples: impl IntoIterator<Item = (u64, bool)>) -> Option<u64> {
        let mut detector = FreezeDetector::new(LIMIT);
        for (second, (processor_time, heard)) in (1..).zip(samples) {
            if heard {
                detector.heard();
            }
            if detector.sample(Duration::from_secs(second), processor_time) {
                return Some(second);
            }
        }
        None
    }

    #[test]
    fn who_works_silently_is_not_frozen() {
        assert_eq!(frozen_after((1..1000).map(|used| (used, false))), None);
    }

    #[test]
    fn who_idles_and_says_so_is_not_frozen() {
        assert_eq!(frozen_after((1..1000).map(|_| (5, true))), None);
    }

    #[test]
    fn who_does_neither_is_frozen_after_the_limit() {
        let still = std::iter::repeat_n((7, false), 100);
        let moving = [(1, true), (5, false), (7, false)];
        assert_eq!(
            frozen_after(moving.into_iter().chain(still)),
            Some(3 + LIMIT.as_secs())
        );
    }

    #[test]
    fn one_word_begins_the_wait_anew() {
        let samples = (1..=30).map(|second| (0, second == 9));
        assert_eq!(frozen_after(samples), Some(9 + LIMIT.as_secs()));
    }

    #[test]
    fn samples_may_come_late() {
        let mut detector = FreezeDetector::new(LIMIT);
        detector.heard();
        // The harness itself was stopped for long: what was heard meanwhile counts as now.
        assert!(!detector.sample(Duration::from_secs(100), 0));
        assert!(!detector.sample(Duration::from_secs(105), 0));
        assert!(detector.sample(Duration::from_secs(110), 0));
    }
}
