//! Moments as the database keeps them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// This moment by the machine's clock.
    pub fn now() -> Self {
        SystemTime::now().into()
    }

    /// The moment so many milliseconds after the epoch.
    pub const fn from_milliseconds(milliseconds: i64) -> Self {
        Self(milliseconds)
    }

    /// Milliseconds after the epoch.
    pub const fn milliseconds(self) -> i64 {
        self.0
    }

    /// The moment `duration` later; the last one there is instead of one that can not be written.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(milliseconds(duration)))
    }

    /// The moment `duration` earlier; the first one there is instead of one that can not be written.
    #[must_use]
    pub fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(milliseconds(duration)))
    }

    /// How long ago `earlier` was; nothing if it was not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).try_into().unwrap_or(0))
    }
}

impl From<SystemTime> for Timestamp {
    /// The epoch, for what was before it.
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(milliseconds(since))
    }
}

fn milliseconds(duration: Duration) -> i64 {
    duration.as_millis().try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_moment_overflows() {
        let end = Timestamp::from_milliseconds(i64::MAX);
        assert_eq!(end.after(Duration::MAX), end);
        let start = Timestamp::from_milliseconds(0);
        assert_eq!(start.after(Duration::from_millis(7)).milliseconds(), 7);
        assert_eq!(start.since(end), Duration::ZERO);
        let first = Timestamp::from_milliseconds(i64::MIN);
        assert_eq!(first.before(Duration::MAX), first);
        let second = Duration::from_secs(1);
        assert_eq!(start.after(second).before(second), start);
        assert_eq!(Timestamp::from(UNIX_EPOCH + second), start.after(second));
        assert_eq!(Timestamp::from(UNIX_EPOCH - second), start);
        assert_eq!(
            start.after(Duration::from_secs(2)).since(start),
            Duration::from_secs(2)
        );
        assert_eq!(
            end.since(Timestamp::from_milliseconds(-1)),
            Duration::from_millis(i64::MAX.unsigned_abs()),
        );
    }
}
