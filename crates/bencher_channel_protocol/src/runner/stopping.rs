//! The end of the runner.

use super::work::Fate;
use super::{ACKNOWLEDGE_WITHIN, Activity, Exit, Level, Machine, Timer};

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
    /// Another one has its place at the server.
    Replaced,
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
            Self::Drained | Self::AtOnce | Self::Replaced => true,
        }
    }
}

impl Machine {
    pub(super) fn stop(&mut self) {
        if self.activity == Activity::Updating {
            self.stop_updating();
            return;
        }
        match self.stopping {
            Stopping::No => {
                self.stopping = Stopping::Draining;
                let is_delivering = self
                    .link
                    .as_ref()
                    .is_some_and(|link| link.on_its_way.is_some());
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
                } else if is_delivering || self.outbox.has_urgent_unsaved() {
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
            Stopping::AtOnce | Stopping::Replaced => {}
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
            Stopping::Replaced => self.end_replaced(),
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

    /// The server has closed the connection in favour of another one of this runner. Whoever connected
    /// again would close that one in its turn, so this runner ends; its job is that one's.
    pub(super) fn replaced(&mut self) {
        if self.work.is_some() {
            self.stopping = Stopping::Replaced;
            self.kill(Fate::Replaced);
        } else {
            self.end_replaced();
        }
    }

    pub(super) fn end_replaced(&mut self) {
        self.exit(Exit::Replaced);
    }
}
