//! Whether this host can run jobs. One that can not must not take them from those that can: it would fail
//! the whole queue within seconds.
//!
//! ```text
//!        a job failed for a reason of this host
//!  fit ────────────────────────────────────────► doubted: no connection without something to send
//!   ▲                                            ▲   │
//!   │                          it can run no job │   │ after a pause, each twice as long as the last
//!   │ it can                                     │   ▼
//!   └─────────────────────────────────────────── looked at
//! ```
//!
//! That nothing is found does not say that jobs can be run: only one whose benchmark has started makes the
//! pauses short again.

use std::time::Duration;

use super::{Effect, Level, Machine, Timer};

/// The first pause before the host is looked at.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The longest one.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);

/// What is known of this host.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// What it fails at; `None` for one that is fit.
    doubt: Option<String>,
    /// Failures and looks in a row after which there was a pause.
    pauses: u32,
}

impl Host {
    /// Why it can not run jobs, as far as that is known.
    pub(super) fn doubt(&self) -> Option<&str> {
        self.doubt.as_deref()
    }

    /// A benchmark has started.
    pub(super) fn has_run_a_job(&mut self) {
        self.pauses = 0;
    }

    /// How long nothing is done about a doubt.
    fn pause(&mut self) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(16));
        self.pauses = self.pauses.saturating_add(1);
        pause.min(LONGEST_PAUSE)
    }
}

impl Machine {
    /// A job has failed for a reason of this host.
    pub(super) fn host_has_failed(&mut self, reason: String) {
        let pause = self.doubt_host(reason);
        self.say(
            Level::Warning,
            format!(
                "that is a reason of this host and not of the job: no job is asked for until the host was \
                 looked at, in {} s",
                pause.as_secs()
            ),
        );
    }

    /// The pause is over.
    pub(super) fn host_is_due(&mut self) {
        if self.host.doubt.is_some() {
            self.effect(Effect::LookAtHost);
        }
    }

    /// The host was looked at: it can run jobs, or why it can not.
    pub(super) fn host_was_looked_at(&mut self, found: Result<(), String>) {
        match found {
            Ok(()) => {
                if self.host.doubt.take().is_some() {
                    self.say(
                        Level::Info,
                        "nothing that keeps this host from running jobs was found: they are asked for again",
                    );
                }
                if self.obstacle().is_none() {
                    self.wake();
                }
                self.go_on();
            }
            Err(reason) => {
                let pause = self.doubt_host(reason.clone());
                self.say(
                    Level::Warning,
                    format!(
                        "this host can not run jobs: it is looked at again in {} s ({reason})",
                        pause.as_secs()
                    ),
                );
            }
        }
    }

    fn doubt_host(&mut self, reason: String) -> Duration {
        self.host.doubt = Some(reason);
        let pause = self.host.pause();
        self.arm(Timer::Host, pause);
        pause
    }
}
