//! Letters that are held back, since the server has not taken them: they are sent now and then.

use std::time::Duration;

use super::{Machine, Timer};

/// The first pause before a letter that is held back is sent again, and the longest.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_AT_MOST: Duration = Duration::from_mins(16);

/// When letters that are held back are sent again.
#[derive(Debug, Default)]
pub(super) struct Retry {
    state: RetryState,
    /// Times in a row that it has not helped.
    failures: u32,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum RetryState {
    /// Nothing is held back.
    #[default]
    None,
    /// Later: the timer is armed.
    Later,
    /// Between the next two polls.
    Now,
}

impl Retry {
    /// A letter was acknowledged: the next pause is a short one again.
    pub(super) fn has_helped(&mut self) {
        self.failures = 0;
    }

    /// Whether something that is held back is to be sent as soon as it can.
    pub(super) fn is_due(&self) -> bool {
        self.state == RetryState::Now
    }
}

impl Machine {
    /// Sends a letter that is held back, if it is time for that, and the server was asked for a job on
    /// this connection before; whether it does.
    pub(super) fn deliver_held(&mut self) -> bool {
        let was_answered = self.link.as_ref().is_some_and(|link| link.was_answered);
        // Where no job may be asked for, the connection is for this alone.
        let is_time = was_answered || self.obstacle().is_some();
        if !self.retry.is_due() || !is_time {
            return false;
        }
        let Some(job) = self.outbox.next(true) else {
            self.retry = Retry::default();
            return false;
        };
        self.send(job);
        true
    }

    /// A letter is held back, and was before, or not.
    pub(super) fn has_to_wait(&mut self, was_held: bool) {
        if was_held {
            self.retry.failures = self.retry.failures.saturating_add(1);
            self.retry_later();
        } else if self.retry.state == RetryState::None {
            self.retry_later();
        }
    }

    fn retry_later(&mut self) {
        self.retry.state = RetryState::Later;
        let pause = RETRY.saturating_mul(1 << self.retry.failures.min(16));
        self.arm(Timer::Retry, pause.min(RETRY_AT_MOST));
    }

    /// It is time to try what is held back once more.
    pub(super) fn retry_is_due(&mut self) {
        self.retry.state = RetryState::Now;
        self.wake();
    }
}
