//! What a service manager is told: `sd_notify`(3). Without one nothing is.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// The service that this process is, if it is one.
#[derive(Debug)]
pub(super) struct Service {
    /// How often a sign of life is to be given; `None` where nobody waits for one.
    every: Option<Duration>,
    interval: Option<Interval>,
}

impl Service {
    pub(super) fn new() -> Self {
        Self {
            // Half of it: one may come late.
            every: sd_notify::watchdog_enabled().map(|within| within / 2),
            interval: None,
        }
    }

    /// Waits until a sign of life is due, and gives it. Safe to cancel.
    pub(super) async fn watchdog(&mut self) {
        let Some(every) = self.every else {
            return std::future::pending().await;
        };
        let interval = self.interval.get_or_insert_with(|| {
            let mut interval = tokio::time::interval_at(Instant::now() + every, every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        interval.tick().await;
        tell(&NotifyState::Watchdog);
    }
}

/// The runner tries to reach its server, and will go on doing so.
pub(super) fn say_ready() {
    tell(&NotifyState::Ready);
}

/// The runner ends.
pub(super) fn say_stopping() {
    tell(&NotifyState::Stopping);
}

/// A manager that does not listen is no reason to end: it will do what it thinks fit.
fn tell(state: &NotifyState<'_>) {
    let _unheard = sd_notify::notify(std::slice::from_ref(state));
}
