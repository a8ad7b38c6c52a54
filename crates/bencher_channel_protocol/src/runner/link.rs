//! The connection: what is expected on it, and when to connect again.

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use super::delivery::Failing;
use super::{Activity, Effect, Ending, Exit, Level, Machine, PACE, POLL_MARGIN, STANDING, Timer};
use crate::{DecodeError, Ready, RunnerMessage, ServerMessage};

/// Messages on one connection that make no sense or were not asked for, since the server last answered
/// something, before it is given up. Each one is told, and may have to be answered.
const MOST_NONSENSE: u32 = 10;

/// The longest delay before another connection while something waits to be said.
const SOON: Duration = Duration::from_secs(4);

/// The longest delay otherwise.
const LATE: Duration = Duration::from_secs(32);

/// The first delay.
const AT_ONCE: Duration = Duration::from_millis(125);

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// What the server has not answered, in the order in which it was sent.
    pub(super) expected: VecDeque<Expected>,
    worth: Worth,
    /// Messages that make no sense or were not asked for, since the server last answered something.
    pub(super) nonsense: u32,
    /// Whether `ready` was sent and not answered.
    is_asking: bool,
    /// Whether `ready` was ever answered.
    pub(super) was_answered: bool,
    /// How often in a row the time for an answer to `ready` has passed.
    unanswered: u32,
    pace: Pace,
    /// The terminal message whose turn it is.
    pub(super) on_its_way: Option<OnItsWay>,
    /// The job that was last said to be running.
    pub(super) running: Option<Uuid>,
}

/// The terminal message whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OnItsWay {
    pub(super) job: Uuid,
    /// Whether it was sent, and is not read from disk any more.
    pub(super) is_sent: bool,
}

/// What a connection has come to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// The server has said nothing.
    #[default]
    Nothing,
    /// It has.
    Heard,
    /// It has, and the connection was there some time later.
    Well,
}

/// How soon a server may be asked again that has nothing.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Pace {
    /// Something was said just now.
    #[default]
    Counting,
    /// The server has answered sooner than it is asked again.
    Resting,
    /// At once.
    Free,
}

/// Something that the server answers with `ack` or `cancel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Heartbeat,
    Running(Uuid),
    Terminal(Uuid),
}

impl Machine {
    pub(super) fn connected(&mut self) {
        if self.activity != Activity::Serving || self.link.is_some() {
            return;
        }
        self.link = Some(Link::default());
        self.arm(Timer::Pace, PACE);
        self.arm(Timer::Standing, STANDING);
        self.deliver();
        self.resume_work();
        self.go_on();
    }

    /// What an idle runner does next.
    pub(super) fn go_on(&mut self) {
        if self.activity != Activity::Serving || self.work.is_some() {
            return;
        }
        let Some(link) = &self.link else {
            return;
        };
        if link.on_its_way.is_some() {
            return;
        }
        let (is_asking, is_resting) = (link.is_asking, link.pace == Pace::Resting);
        let is_tried = self.settings.is_trial && self.history.was_heard;
        if self.stopping.is_ordered() || is_tried {
            self.end_of_stop();
        } else if !is_asking && !self.deliver_held() && !is_resting {
            self.ask_if_there_is_room();
        }
    }

    pub(super) fn ask(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.is_asking = true;
        let was_free = std::mem::take(&mut link.pace) == Pace::Free;
        let ready = Ready {
            poll_timeout: Some(self.settings.poll_timeout),
            runner: self.info_for_offers(),
            live_output: true,
            evidence: true,
        };
        self.effect(Effect::Send(RunnerMessage::Ready(ready)));
        let patience = self.settings.poll_timeout.duration() + POLL_MARGIN;
        self.arm(Timer::Idle, patience);
        if was_free {
            self.arm(Timer::Pace, PACE);
        }
    }

    /// A server that has nothing, and says so at once, is not asked again at once.
    pub(super) fn rest(&mut self) {
        if let Some(link) = &mut self.link
            && link.pace == Pace::Counting
        {
            link.pace = Pace::Resting;
        }
    }

    pub(super) fn pace_is_over(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.pace = Pace::Free;
        if link.worth != Worth::Nothing {
            link.worth = Worth::Well;
            self.history.is_well();
        }
        self.go_on();
    }

    /// The server has not answered a `ready` in time: it is asked once more, and then given up.
    pub(super) fn poll_is_over(&mut self) {
        let Some(link) = self.link.as_mut().filter(|link| link.is_asking) else {
            return;
        };
        link.unanswered += 1;
        if link.unanswered > 1 {
            self.say(
                Level::Warning,
                "the server does not answer: connecting again",
            );
            self.hang_up();
        } else {
            self.ask();
        }
    }

    /// The server has let the connection stand, or has spoken: the key is right.
    pub(super) fn connection_stands(&mut self) {
        let Some(link) = &self.link else {
            return;
        };
        // Whoever tries a program says what comes of it.
        if self.settings.is_trial || std::mem::replace(&mut self.history.is_connection_told, true) {
            return;
        }
        let what_next = if link.is_asking {
            ", waiting for jobs"
        } else {
            ""
        };
        let (server, runner) = (&self.settings.server, &self.settings.runner);
        let text = format!("connected to {server} as {runner}{what_next}");
        self.say(Level::Info, text);
    }

    pub(super) fn received(&mut self, message: Result<ServerMessage, DecodeError>) {
        let Some(link) = &mut self.link else {
            return;
        };
        match &message {
            Ok(_) | Err(DecodeError::Job { .. }) => {
                link.unanswered = 0;
                if link.pace == Pace::Free {
                    link.worth = Worth::Well;
                    self.history.is_well();
                } else if link.worth == Worth::Nothing {
                    link.worth = Worth::Heard;
                }
                if !std::mem::replace(&mut self.history.was_heard, true) {
                    self.effect(Effect::Reached);
                }
                self.server_has_spoken();
            }
            Err(_) => {}
        }
        if message.is_ok() {
            self.connection_stands();
        }
        match message {
            Ok(ServerMessage::Ack { job }) => self.acknowledged(job),
            Ok(ServerMessage::Job(job)) => {
                let was_asked_for = self.is_answered();
                self.claimed(job);
                if !was_asked_for {
                    self.bears_nonsense();
                }
            }
            Ok(ServerMessage::NoJob) => {
                let _was_asked_for = self.is_answered();
                self.rest();
                self.go_on();
            }
            Ok(ServerMessage::Cancel) => self.canceled(),
            Ok(ServerMessage::Update(update)) => {
                let _was_asked_for = self.is_answered();
                self.offered(update);
            }
            Err(DecodeError::Job { job, source }) => {
                let was_asked_for = self.is_answered();
                self.refuse(
                    job,
                    format!("the runner does not understand the job: {source}"),
                );
                if !was_asked_for {
                    self.bears_nonsense();
                }
            }
            Err(error) => self.misunderstood(&error),
        }
    }

    /// The server has said what a `ready` is answered with; whether there was one to answer.
    fn is_answered(&mut self) -> bool {
        if let Some(link) = &mut self.link
            && std::mem::take(&mut link.is_asking)
        {
            link.was_answered = true;
            link.nonsense = 0;
            self.disarm(Timer::Idle);
            return true;
        }
        false
    }

    fn misunderstood(&mut self, error: &DecodeError) {
        self.say(
            Level::Warning,
            format!("a message of the server is passed over: {error}"),
        );
        self.bears_nonsense();
    }

    /// The server has said something that makes no sense or was not asked for. That is borne some times.
    fn bears_nonsense(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        link.nonsense += 1;
        if link.nonsense >= MOST_NONSENSE {
            self.say(
                Level::Warning,
                "too many messages of the server make no sense, or were not asked for: connecting again",
            );
            self.hang_up();
        }
    }

    /// Gives the connection up and makes another one.
    pub(super) fn hang_up(&mut self) {
        self.effect(Effect::Disconnect);
        self.history.is_connection_told = false;
        let attempts = self.undelivered(Failing::Lost);
        self.lost();
        self.history.failures = self.history.failures.saturating_add(1);
        self.connect_again(attempts);
    }

    /// There is no connection any more: nothing of it is waited for.
    pub(super) fn lost(&mut self) {
        if self.link.take().is_none() {
            return;
        }
        for timer in [
            Timer::Idle,
            Timer::Acknowledge,
            Timer::Heartbeat,
            Timer::Silence,
            Timer::Standing,
            Timer::Pace,
        ] {
            self.disarm(timer);
        }
    }

    pub(super) fn disconnected(&mut self, ending: &Ending) {
        if self.activity != Activity::Serving {
            return;
        }
        let attempts = self.undelivered(Failing::of(ending));
        let worth = self.link.as_ref().map_or(Worth::Nothing, |link| link.worth);
        let was_connected = self.link.is_some();
        self.lost();
        if ending.is_replacement() {
            self.replaced();
            return;
        }
        if let Some(reason) = self.refusal(ending) {
            self.exit(Exit::Refused(reason));
            return;
        }
        // One that ends as soon as the server has spoken has come to nothing either.
        if worth != Worth::Well {
            self.history.failures = self.history.failures.saturating_add(1);
        }
        self.tell(ending, was_connected && worth == Worth::Nothing);
        self.connect_again(attempts);
    }

    /// Connects after a delay: the longer, the more connections have come to nothing, or to nothing but
    /// one letter.
    pub(super) fn connect_again(&mut self, attempts: u32) {
        let is_urgent = self.work.is_some() || self.outbox.has_urgent();
        if self.work.is_none() && self.stopping.has_no_time(!is_urgent) {
            self.end_of_stop();
            return;
        }
        if self.work.is_none() && !is_urgent && self.is_of_no_use() {
            self.activity = Activity::Asleep;
            return;
        }
        let most = if is_urgent { SOON } else { LATE };
        let doublings = self
            .history
            .failures
            .max(attempts.saturating_sub(1))
            .min(16);
        let delay = AT_ONCE.saturating_mul(1 << doublings).min(most);
        self.effect(Effect::Connect {
            after: delay / 2,
            spread: delay / 2,
        });
    }
}
