//! Time and waiting, so that both can be others than the host's.

use std::fmt::Debug;
use std::time::{Duration, Instant, SystemTime};

use crate::Cancellation;

/// Where time comes from, and who waits.
pub trait Clock: Debug + Send + Sync {
    /// A moment on a clock that never goes back.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The date, which a server may give as the moment to come back.
    fn date(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Waits, unless `cancellation` ends it.
    fn wait(&self, duration: Duration, cancellation: &Cancellation) {
        cancellation.wait(duration);
    }
}

/// The host's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {}
