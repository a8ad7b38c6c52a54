//! The end of the runner, and its life as another program.

use super::work::Fate;
use super::{ACKNOWLEDGE_WITHIN, Activity, Effect, Exit, Level, Machine, Timer};
use crate::{Checksum, Update};

/// How far the runner is on its way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopping {
    /// Nobody wants it to stop.
    No,
    /// The job may end, and its result be delivered, until the drain timeout.
    Draining,
    /// The drain timeout is over.
    Drained,
    /// It was told a second time.
    AtOnce,
}

impl Stopping {
    pub(super) fn is_ordered(self) -> bool {
        self != Self::No
    }

    /// Whether the end does not wait for another connection.
    pub(super) fn has_no_time(self, is_all_delivered: bool) -> bool {
        match self {
            Self::No => false,
            Self::Draining => is_all_delivered,
            Self::Drained | Self::AtOnce => true,
        }
    }
}

impl Machine {
    pub(super) fn stop(&mut self) {
        if self.activity == Activity::Updating {
            self.exit(Exit::Stopped);
            return;
        }
        match self.stopping {
            Stopping::No => {
                self.stopping = Stopping::Draining;
                let is_delivering = self
                    .link
                    .as_ref()
                    .is_some_and(|link| link.delivery.is_some());
                if self.work.is_some() {
                    self.say(
                        Level::Info,
                        format!(
                            "stopping when the job has ended, or in {} s: the next stop order ends it at \
                             once",
                            self.settings.drain_timeout.as_secs()
                        ),
                    );
                    self.arm_drain();
                } else if is_delivering {
                    self.arm_drain();
                } else {
                    self.end_of_stop();
                }
            }
            Stopping::Draining | Stopping::Drained => {
                self.stopping = Stopping::AtOnce;
                if self.work.is_some() {
                    self.kill(Fate::Stopped);
                } else {
                    self.exit(Exit::AtOnce);
                }
            }
            Stopping::AtOnce => {}
        }
    }

    /// What is left of the drain timeout when a job is killed is for its last message.
    fn arm_drain(&mut self) {
        let timeout = self.settings.drain_timeout;
        self.arm(Timer::Drain, timeout.saturating_sub(ACKNOWLEDGE_WITHIN));
    }

    /// The time that the stop order left is over.
    pub(super) fn drained(&mut self) {
        if self.stopping != Stopping::Draining {
            return;
        }
        self.stopping = Stopping::Drained;
        if self.work.is_some() {
            self.kill(Fate::Stopped);
        } else {
            self.end_of_stop();
        }
    }

    /// The job has ended: whether the runner ends with it.
    pub(super) fn work_is_over(&mut self) {
        match self.stopping {
            Stopping::AtOnce => self.exit(Exit::AtOnce),
            // Who is not connected can not deliver in the time that is left.
            Stopping::Drained if self.link.is_none() => self.end_of_stop(),
            _ => {}
        }
    }

    /// Ends, whatever is in the outbox: that is on disk.
    pub(super) fn end_of_stop(&mut self) {
        self.exit(if self.outbox.is_empty() {
            Exit::Stopped
        } else {
            Exit::Undelivered
        });
    }

    /// The server has another program for this runner.
    pub(super) fn offered(&mut self, update: Update) {
        let own = self.settings.info.as_ref();
        let is_wanted = own.is_some_and(|info| info.checksum.as_ref() != Some(&update.checksum))
            && !self.settings.rejected.contains(&update.checksum);
        if self.work.is_some() || self.stopping.is_ordered() {
            return;
        }
        if is_wanted {
            self.say(
                Level::Info,
                format!(
                    "the server offers version {}",
                    crate::Excerpt::new(&update.version)
                ),
            );
            self.effect(Effect::Disconnect);
            self.lost();
            self.activity = Activity::Updating;
            self.effect(Effect::Update(update));
        } else {
            // Asked in the same way the server would offer it again, and again.
            self.settings.info = None;
            self.say(Level::Debug, "an update that is not wanted is passed over");
            self.go_on();
        }
    }

    pub(super) fn update_failed(&mut self, checksum: Checksum, error: &str) {
        if self.activity != Activity::Updating {
            return;
        }
        self.say(
            Level::Warning,
            format!("the runner stays as it is: {error}"),
        );
        self.settings.rejected.push(checksum);
        self.activity = Activity::Serving;
        self.effect(Effect::Connect {
            after: std::time::Duration::ZERO,
            spread: std::time::Duration::ZERO,
        });
    }
}
