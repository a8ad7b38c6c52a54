//! What a service manager is told: `sd_notify`(3). Without one nothing is.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;
use tokio::time::{Interval, MissedTickBehavior};

/// How long signs of life are given before there is a loop that gives them: as long as the unit of `runner
/// install-service` leaves a start. The guest's kernel may have to be fetched.
const LONGEST_LOOK: Duration = Duration::from_mins(15);

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

    /// Gives signs of life from a thread of its own, until what it returns is dropped: before there is a loop
    /// that does.
    pub(super) fn lives_meanwhile(&self) -> io::Result<Option<Meanwhile>> {
        let Some(every) = self.every else {
            return Ok(None);
        };
        let (over, is_over) = channel::<()>();
        let thread = thread::Builder::new()
            .name("signs".to_owned())
            .spawn(move || {
                let until = Instant::now() + LONGEST_LOOK;
                // At once: the last sign of the program before may have come a while ago.
                loop {
                    tell(&NotifyState::Watchdog);
                    let waited = is_over.recv_timeout(every);
                    if waited != Err(RecvTimeoutError::Timeout) || Instant::now() >= until {
                        break;
                    }
                }
            })?;
        Ok(Some(Meanwhile {
            over: Some(over),
            thread: Some(thread),
        }))
    }

    /// Waits until a sign of life is due, which the first one is at once, and gives it. Safe to cancel.
    pub(super) async fn watchdog(&mut self) {
        let Some(every) = self.every else {
            return std::future::pending().await;
        };
        let interval = self.interval.get_or_insert_with(|| {
            let mut interval = tokio::time::interval(every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        interval.tick().await;
        tell(&NotifyState::Watchdog);
    }
}

/// Signs of life are given as long as this lives.
#[derive(Debug)]
pub(super) struct Meanwhile {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        self.over = None;
        if let Some(thread) = self.thread.take() {
            // It does nothing that could fail.
            let _panicked = thread.join();
        }
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
