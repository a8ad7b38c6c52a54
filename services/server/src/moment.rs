//! A moment by two clocks, which tell a leap of time.

use std::time::{Duration, Instant};

use bencher_jobs::Timestamp;

/// A moment, by the clock that never leaps and by the one that the database's moments are of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    steady: Instant,
    wall: Timestamp,
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self {
            steady: Instant::now(),
            wall: Timestamp::now(),
        }
    }

    /// What the database's clock said.
    pub(crate) fn wall(self) -> Timestamp {
        self.wall
    }

    pub(crate) fn steady_since(self, earlier: Self) -> Duration {
        self.steady.saturating_duration_since(earlier.steady)
    }

    /// How many milliseconds the database's clock went further than the other one, which are negative where it was
    /// put back.
    pub(crate) fn leap_since(self, earlier: Self) -> i64 {
        let steady = self.steady_since(earlier).as_millis();
        let wall = self.wall.milliseconds() - earlier.wall.milliseconds();
        wall.saturating_sub(i64::try_from(steady).unwrap_or(i64::MAX))
    }

    /// The moment that is so much later by the one clock, and so many milliseconds by the other.
    #[cfg(test)]
    pub(crate) fn after(self, steady: Duration, wall: i64) -> Self {
        Self {
            steady: self.steady + steady,
            wall: Timestamp::from_milliseconds(self.wall.milliseconds() + wall),
        }
    }
}
