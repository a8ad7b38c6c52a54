//! The runner's life as another program.
//!
//! A server offers a program to a runner that says what it is, and again each time it says so. So one
//! that does not want the offer says nothing of itself for a while: an hour where that is final, and
//! longer each time, from a minute on, where it has failed for reasons that pass.

use std::time::Duration;

use super::stopping::Stopping;
use super::{Activity, Effect, Exit, Level, Machine, Timer, UpdateFailure};
use crate::{Excerpt, RunnerInfo, Update};

/// The first pause after an update that failed for a reason that passes.
const PAUSE: Duration = Duration::from_mins(1);

/// The longest one, and that after an offer that is not wanted.
const LONG_PAUSE: Duration = Duration::from_hours(1);

/// Whether offers are wanted.
#[derive(Debug, Default)]
pub(super) struct Offers {
    is_paused: bool,
    /// Updates in a row that failed for reasons that pass.
    failures: u32,
}

impl Machine {
    /// What the runner says of itself, if it wants offers.
    pub(super) fn info_for_offers(&self) -> Option<RunnerInfo> {
        let info = self.settings.info.clone();
        info.filter(|_| !self.offers.is_paused)
    }

    pub(super) fn offers_are_welcome(&mut self) {
        self.offers.is_paused = false;
    }

    fn pause_offers(&mut self, pause: Duration) {
        self.offers.is_paused = true;
        self.arm(Timer::Offers, pause);
    }

    /// The last update may have failed before this program was started.
    pub(super) fn updates_have_failed(&mut self) {
        if let Some(earlier) = self.settings.failed_updates.checked_sub(1) {
            self.offers.failures = earlier;
            self.pause_after_failure();
        }
    }

    /// An update has failed for a reason that passes.
    fn pause_after_failure(&mut self) {
        let pause = PAUSE.saturating_mul(1 << self.offers.failures.min(16));
        self.offers.failures = self.offers.failures.saturating_add(1);
        self.pause_offers(pause.min(LONG_PAUSE));
    }

    /// The server has another program for this runner.
    pub(super) fn offered(&mut self, update: Update) {
        let own = self.settings.info.as_ref();
        let is_wanted = own.is_some_and(|info| info.checksum.as_ref() != Some(&update.checksum))
            && !self.offers.is_paused
            && !self.settings.rejected.contains(&update.checksum);
        if self.work.is_some() || self.stopping.is_ordered() {
            return;
        }
        // What is in memory would be lost with this program.
        let is_wanted = is_wanted && !self.outbox.has_unsaved();
        if is_wanted {
            self.say(
                Level::Info,
                format!(
                    "the server offers version {}",
                    Excerpt::new(&update.version)
                ),
            );
            self.effect(Effect::Disconnect);
            self.history.is_connection_told = false;
            self.lost();
            self.activity = Activity::Updating;
            self.effect(Effect::Update(update));
        } else {
            if !self.offers.is_paused {
                self.pause_offers(LONG_PAUSE);
            }
            self.say(Level::Debug, "an update that is not wanted is passed over");
            self.rest();
            self.go_on();
        }
    }

    /// The other program is fit. Who is to stop does not begin as another program.
    pub(super) fn updated(&mut self) {
        if self.activity != Activity::Updating {
            return;
        }
        if self.stopping.is_ordered() {
            self.end_updating();
        } else {
            self.activity = Activity::Over;
            self.effect(Effect::Become);
        }
    }

    pub(super) fn update_failed(&mut self, failure: UpdateFailure) {
        if self.activity != Activity::Updating {
            return;
        }
        if let Some(jobs) = &failure.outbox {
            self.outbox.is_found(jobs, self.settings.message_limit);
        }
        if self.stopping.is_ordered() {
            self.end_updating();
            return;
        }
        self.say(
            Level::Warning,
            format!("the runner stays as it is: {}", failure.error),
        );
        if failure.is_final {
            self.settings.rejected.push(failure.checksum);
        } else {
            self.pause_after_failure();
        }
        self.activity = Activity::Serving;
        self.effect(Effect::Connect {
            after: Duration::ZERO,
            spread: Duration::ZERO,
        });
    }

    /// A stop order is passed on to the program that is tried: it may have a job.
    pub(super) fn stop_updating(&mut self) {
        self.stopping = match self.stopping {
            Stopping::No => Stopping::Draining,
            _ => Stopping::AtOnce,
        };
        self.effect(Effect::EndUpdate);
    }

    fn end_updating(&mut self) {
        if self.stopping == Stopping::AtOnce {
            self.exit(Exit::AtOnce);
        } else {
            self.end_of_stop();
        }
    }
}
