//! Terminal messages: sent, acknowledged, sent again, held back.
//!
//! ```text
//!           sent on each new connection,        no acknowledgement:
//!  (end) ──────────── one by one ─────────────► connect again, later each time ──► shortened
//!                          │                                                          │
//!                          │ acknowledged                        still none           ▼
//!                          ▼                                                         held
//!                      forgotten ◄─── acknowledged ─── sent between two polls, now and then
//! ```
//!
//! One is on its way at a time: so a server that ends connections over one of them is known to mean
//! that one, and hears of the others first.

use std::time::Duration;

use uuid::Uuid;

use super::link::Expected;
use super::{ACKNOWLEDGE_WITHIN, Effect, Ending, Letter, Level, MOST_LETTERS, Machine, Timer};
use crate::{RunnerMessage, Terminal};

/// How often a letter is sent as it is, though connections are reset over it.
const WHOLE_ATTEMPTS: u32 = 3;

/// The same for connections that only end, with `running` before it and without.
const WHOLE_ENDINGS: u32 = 4;

/// Connections that end over a letter, before it is held back.
const MOST_LOST: u32 = 6;

/// Connections on which it was not acknowledged, before it is held back.
const MOST_UNACKNOWLEDGED: u32 = 2;

/// The first pause before a letter that is held back is sent again, and the longest.
const RETRY: Duration = Duration::from_secs(30);
const RETRY_AT_MOST: Duration = Duration::from_mins(16);

/// How a letter did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failing {
    /// The server has not acknowledged it in time.
    Unacknowledged,
    /// The connection was lost.
    Lost,
    /// The connection ended without a word.
    Ended,
    /// The connection was reset. A server that is killed does that, too.
    Reset,
    /// The server says that it was too long.
    TooLong,
}

impl Failing {
    pub(super) fn of(ending: &Ending) -> Self {
        match ending {
            Ending::Closed { code: 1009, .. } => Self::TooLong,
            Ending::Reset(_) => Self::Reset,
            Ending::EndOfFile => Self::Ended,
            Ending::Closed { .. }
            | Ending::Unreachable(_)
            | Ending::Foreign(_)
            | Ending::Refused { .. } => Self::Lost,
        }
    }

    /// Whether a letter is taken to be too long, for which this has happened so often.
    fn is_for_length(self, attempts: u32) -> bool {
        match self {
            Self::TooLong => true,
            Self::Reset => attempts >= WHOLE_ATTEMPTS,
            Self::Ended => attempts >= WHOLE_ENDINGS,
            Self::Lost | Self::Unacknowledged => false,
        }
    }

    /// After how many failures a letter is held back.
    fn most(self) -> u32 {
        match self {
            Self::Unacknowledged => MOST_UNACKNOWLEDGED,
            _ => MOST_LOST,
        }
    }
}

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

impl Machine {
    /// Puts the last message about a job into the outbox, on disk first, and sends it if it can.
    pub(super) fn post(&mut self, terminal: Terminal, needs_running: bool) {
        let letter = Letter::new(terminal, needs_running, self.settings.message_limit);
        self.effect(Effect::Persist(letter.clone()));
        self.put(letter);
    }

    /// Puts a letter that is on disk into the outbox.
    pub(super) fn put(&mut self, letter: Letter) {
        if self.outbox.len() >= MOST_LETTERS
            && let Some(oldest) = self.outbox.take_oldest()
        {
            let job = oldest.job();
            self.effect(Effect::Forget(job));
            self.say(
                Level::Warning,
                format!(
                    "the end of the job {job} is given up: the server has acknowledged none of \
                     {MOST_LETTERS} jobs"
                ),
            );
        }
        self.outbox.put(letter);
        self.deliver();
    }

    /// Sends what is next, if nothing is on its way.
    pub(super) fn deliver(&mut self) {
        if let Some(job) = self.outbox.next(false) {
            self.send(job);
        }
    }

    /// Sends a letter that is held back, if it is time for that, and the server was asked for a job on
    /// this connection before; whether it does.
    pub(super) fn deliver_held(&mut self) -> bool {
        let was_answered = self.link.as_ref().is_some_and(|link| link.was_answered);
        if self.retry.state != RetryState::Now || !was_answered {
            return false;
        }
        let Some(job) = self.outbox.next(true) else {
            self.retry = Retry::default();
            return false;
        };
        self.send(job);
        true
    }

    /// Sends the letter of a job, if nothing is on its way. On the connection on which it was last said to
    /// be running that is not said again.
    pub(super) fn send(&mut self, job: Uuid) {
        let Some(link) = self.link.as_mut().filter(|link| link.on_its_way.is_none()) else {
            return;
        };
        let Some(letter) = self.outbox.of(job) else {
            return;
        };
        link.on_its_way = Some(job);
        let is_after_running = letter.is_after_running() && link.running != Some(job);
        let (text, is_cut) = letter.text();
        if is_after_running {
            self.say_running(job);
        }
        if is_cut {
            self.say(
                Level::Warning,
                format!("the result of the job {job} was cut: it is longer than the server takes"),
            );
        }
        self.effect(Effect::Deliver { job, text });
        if let Some(link) = &mut self.link {
            link.expected.push_back(Expected::Terminal(job));
        }
        self.arm(Timer::Acknowledge, ACKNOWLEDGE_WITHIN);
    }

    pub(super) fn send_expecting(&mut self, message: RunnerMessage, expected: Expected) {
        if let Some(link) = &mut self.link {
            link.expected.push_back(expected);
            self.effect(Effect::Send(message));
        }
    }

    pub(super) fn say_running(&mut self, job: Uuid) {
        if let Some(link) = &mut self.link {
            link.running = Some(job);
            self.send_expecting(RunnerMessage::Running, Expected::Running(job));
        }
    }

    /// The server has acknowledged something: what it was sent first, of what can be meant by the name,
    /// if there is one.
    pub(super) fn acknowledged(&mut self, named: Option<Uuid>) {
        let Some(link) = &mut self.link else {
            return;
        };
        let can_be_meant = |expected: &Expected| match (expected, named) {
            (Expected::Heartbeat, _) | (_, None) => true,
            (Expected::Running(job) | Expected::Terminal(job), Some(named)) => *job == named,
        };
        let position = link.expected.iter().position(can_be_meant);
        let Some(expected) = position.and_then(|position| link.expected.remove(position)) else {
            return;
        };
        match expected {
            Expected::Heartbeat => {}
            Expected::Running(job) => self.running_was_acknowledged(job),
            Expected::Terminal(job) => self.forget(job),
        }
    }

    fn running_was_acknowledged(&mut self, job: Uuid) {
        if let Some(work) = self.work.as_mut().filter(|work| work.job == job) {
            work.is_running_known = true;
        }
        if let Some(letter) = self.outbox.of(job) {
            letter.running_was_acknowledged();
        }
    }

    fn forget(&mut self, job: Uuid) {
        if self.outbox.take(job).is_some() {
            self.effect(Effect::Forget(job));
            self.say(
                Level::Debug,
                format!("the server has the end of the job {job}"),
            );
            self.retry.failures = 0;
        }
        if let Some(link) = &mut self.link
            && link.on_its_way == Some(job)
        {
            link.on_its_way = None;
            self.disarm(Timer::Acknowledge);
        }
        self.deliver();
        self.go_on();
    }

    /// An acknowledgement has not come in time. What was sent is not waited for any longer on this
    /// connection: a later acknowledgement could be one of something else.
    pub(super) fn not_acknowledged(&mut self) {
        let Some(job) = self.link.as_ref().and_then(|link| link.on_its_way) else {
            return;
        };
        if self.stopping.is_ordered() && self.work.is_none() {
            self.end_of_stop();
            return;
        }
        self.say(
            Level::Warning,
            format!("the server has not acknowledged the end of the job {job}: connecting again"),
        );
        self.undelivered(Failing::Unacknowledged);
        self.hang_up();
    }

    /// The letter that is on its way has not arrived; how often that has happened to it, if it is to be
    /// sent on the next connection.
    pub(super) fn undelivered(&mut self, failing: Failing) -> u32 {
        let on_its_way = self.link.as_mut().and_then(|link| link.on_its_way.take());
        let Some(letter) = on_its_way.and_then(|job| self.outbox.of(job)) else {
            return 0;
        };
        letter.attempts = letter.attempts.saturating_add(1);
        if failing.is_for_length(letter.attempts) {
            letter.shorten();
        }
        let (job, attempts) = (letter.job(), letter.attempts);
        let was_held = letter.is_held;
        letter.is_held |= attempts >= failing.most();
        if was_held {
            self.retry.failures = self.retry.failures.saturating_add(1);
            self.retry_later();
            0
        } else if letter.is_held {
            self.say(
                Level::Warning,
                format!(
                    "the server does not take the end of the job {job}: it is kept, and sent now and \
                     then while there is no job"
                ),
            );
            if self.retry.state == RetryState::None {
                self.retry_later();
            }
            0
        } else {
            attempts
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
    }
}
