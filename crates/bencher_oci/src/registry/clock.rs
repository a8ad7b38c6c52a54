//! Time and waiting, so that both can be others than the host's.

use std::fmt::Debug;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

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

/// Tells a pull to end. Clones are one and the same.
///
/// A pull that was told notices before it waits, and after each piece of data that it receives.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<(Mutex<bool>, Condvar)>);

impl Cancellation {
    /// Tells everybody who has a clone to end.
    pub fn cancel(&self) {
        *self.flag() = true;
        self.0.1.notify_all();
    }

    /// Whether it was told to end.
    pub fn is_cancelled(&self) -> bool {
        *self.flag()
    }

    /// Waits until it is told to end, at most for `duration`.
    pub fn wait(&self, duration: Duration) {
        let waited = self
            .0
            .1
            .wait_timeout_while(self.flag(), duration, |is_cancelled| !*is_cancelled);
        drop(waited);
    }

    fn flag(&self) -> MutexGuard<'_, bool> {
        // A flag is whole whatever happened to the thread that held it.
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_woken_by_a_cancellation() {
        let cancellation = Cancellation::default();
        let waiting = cancellation.clone();
        let thread = std::thread::spawn(move || {
            SystemClock.wait(Duration::from_hours(1), &waiting);
            waiting.is_cancelled()
        });
        cancellation.cancel();
        assert!(thread.join().unwrap());
        // And who comes later does not wait at all.
        SystemClock.wait(Duration::from_hours(1), &cancellation);
    }
}
