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
//! that one, and hears of the others first. It is read from disk when its turn has come, unless it came
//! about just now: the others are not in memory.

use uuid::Uuid;

use super::link::{Expected, OnItsWay};
use super::outbox::{Addressed, Envelope};
use super::{ACKNOWLEDGE_WITHIN, Effect, Ending, Letter, Level, Machine, Timer};
use crate::{RunnerMessage, Terminal};

/// How often a letter is sent as it is, though connections are reset over it.
const WHOLE_ATTEMPTS: u32 = 3;

/// The same for connections that only end, with `running` before it and without.
const WHOLE_ENDINGS: u32 = 4;

/// Connections that end over a letter, before it is held back.
const MOST_LOST: u32 = 6;

/// Connections on which it was not acknowledged, before it is held back.
const MOST_UNACKNOWLEDGED: u32 = 2;

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

impl Machine {
    /// Puts the last message about a job into the outbox, on disk first, and sends it if it can.
    pub(super) fn post(&mut self, terminal: Terminal, needs_running: bool) {
        let limit = self.settings.message_limit;
        let letter = Letter::new(terminal, needs_running, limit);
        let job = letter.job();
        self.outbox.put(Envelope::of(&letter, limit));
        // It does not have to be read again.
        let addressed = self.takes_its_turn(job).then(|| self.address(&letter));
        self.effect(Effect::Persist(letter));
        if let Some(addressed) = addressed.flatten() {
            self.dispatch(job, addressed);
        }
    }

    /// Sends what is next, if nothing is on its way.
    pub(super) fn deliver(&mut self) {
        if let Some(job) = self.outbox.next(false) {
            self.send(job);
        }
    }

    /// Sends the letter of a job, if nothing is on its way.
    pub(super) fn send(&mut self, job: Uuid) {
        if self.takes_its_turn(job) && !self.send_unsaved(job) {
            self.read(job);
        }
    }

    /// Whether a letter is there, and now is its turn.
    fn takes_its_turn(&mut self, job: Uuid) -> bool {
        let link = self.link.as_mut();
        let Some(link) = link.filter(|link| link.on_its_way.is_none()) else {
            return false;
        };
        let is_there = self.outbox.of(job).is_some();
        if is_there {
            link.on_its_way = Some(OnItsWay {
                job,
                is_sent: false,
            });
        }
        is_there
    }

    /// Sends the letter of a job whose turn it is, if it is in memory; whether it is.
    pub(super) fn send_unsaved(&mut self, job: Uuid) -> bool {
        let Some(envelope) = self.outbox.of(job) else {
            return false;
        };
        // It is put back, since it is there alone.
        let Some(letter) = envelope.unsaved.take() else {
            return false;
        };
        let addressed = envelope.address(&letter);
        envelope.unsaved = Some(letter);
        self.dispatch(job, addressed);
        true
    }

    pub(super) fn address(&mut self, letter: &Letter) -> Option<Addressed> {
        let envelope = self.outbox.of(letter.job())?;
        Some(envelope.address(letter))
    }

    /// Sends a letter whose turn it is. On the connection on which its job was last said to be running that
    /// is not said again.
    pub(super) fn dispatch(&mut self, job: Uuid, addressed: Addressed) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.on_its_way = Some(OnItsWay { job, is_sent: true });
        if addressed.is_after_running && link.running != Some(job) {
            self.say_running(job);
        }
        if addressed.is_cut {
            self.say(
                Level::Warning,
                format!("the result of the job {job} was cut: it is longer than the server takes"),
            );
        }
        let text = addressed.text;
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
        link.nonsense = 0;
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
        if let Some(envelope) = self.outbox.of(job) {
            envelope.running_was_acknowledged();
        }
    }

    fn forget(&mut self, job: Uuid) {
        if self.outbox.take(job).is_some() {
            self.effect(Effect::Forget(job));
            self.say(
                Level::Debug,
                format!("the server has the end of the job {job}"),
            );
            self.retry.has_helped();
            self.room_may_be_there();
        }
        if let Some(link) = &mut self.link
            && link
                .on_its_way
                .is_some_and(|on_its_way| on_its_way.job == job)
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
        let on_its_way = self.link.as_ref().and_then(|link| link.on_its_way);
        let Some(OnItsWay { job, is_sent: true }) = on_its_way else {
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
        // What is still being read has not failed.
        let Some(OnItsWay { job, is_sent: true }) = on_its_way else {
            return 0;
        };
        let Some(envelope) = self.outbox.of(job) else {
            return 0;
        };
        envelope.is_back();
        let attempts = envelope.attempts;
        if failing.is_for_length(attempts) {
            envelope.shorten();
        }
        let was_held = envelope.is_held;
        envelope.is_held |= attempts >= failing.most();
        if !envelope.is_held {
            return attempts;
        }
        if !was_held {
            self.say(
                Level::Warning,
                format!(
                    "the server does not take the end of the job {job}: it is kept, and sent now and \
                     then while there is no job"
                ),
            );
        }
        self.has_to_wait(was_held);
        0
    }
}
