//! How long things took.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Durations, by how long they were.
#[derive(Debug)]
pub(super) struct Histogram {
    /// Upper bounds, in seconds.
    bounds: &'static [f64],
    /// How many were within each of them and beyond the one before, and beyond the last one.
    counts: Vec<AtomicU64>,
    microseconds: AtomicU64,
}

/// What a [`Histogram`] has to say.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Snapshot {
    /// How many were within each bound.
    pub(super) within: Vec<(f64, u64)>,
    /// How many there were.
    pub(super) count: u64,
    /// How long they were together, in seconds.
    pub(super) sum: f64,
}

impl Histogram {
    /// One with these upper bounds, in seconds and in their order.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            microseconds: AtomicU64::new(0),
        }
    }

    pub(super) fn add(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let place = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[place].fetch_add(1, Relaxed);
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Relaxed);
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let counts = self.counts.iter().map(|count| count.load(Relaxed));
        let mut total = 0;
        let mut counts = counts.map(|count| {
            total += count;
            total
        });
        let within = self.bounds.iter().copied().zip(counts.by_ref()).collect();
        Snapshot {
            within,
            count: counts.next().unwrap_or_default(),
            sum: Duration::from_micros(self.microseconds.load(Relaxed)).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_within_themselves() {
        let histogram = Histogram::new(&[0.001, 1.0]);
        for microseconds in [0, 1000, 1001, 1_000_000, 1_000_001] {
            histogram.add(Duration::from_micros(microseconds));
        }
        assert_eq!(
            histogram.snapshot(),
            Snapshot {
                within: vec![(0.001, 2), (1.0, 4)],
                count: 5,
                sum: 2.002_002,
            }
        );
    }
}
