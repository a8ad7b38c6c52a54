//! The connection: what is expected on it, and when to connect again.

use std::collections::VecDeque;
use std::time::Duration;

use uuid::Uuid;

use super::{Activity, Effect, Ending, Exit, Letter, Level, Machine, POLL_MARGIN, Timer};
use crate::{CloseReason, DecodeError, Excerpt, Ready, RunnerMessage, ServerMessage};

/// Messages in a row on one connection that make no sense, before it is given up.
const MOST_MALFORMED: u32 = 10;

/// First connections that end at once, before it is said that the key or the runner is wrong.
const SUSPICIOUS: u32 = 3;
/// How often a letter is sent as it is, though connections are reset over it.
const WHOLE_ATTEMPTS: u32 = 3;

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
    /// Whether the server has said anything.
    was_heard: bool,
    malformed: u32,
    /// Whether `ready` was sent and not answered.
    is_asking: bool,
    /// How often in a row the time for an answer to `ready` has passed.
    unanswered: u32,
    /// Whether acknowledgements of terminal messages are waited for.
    pub(super) delivery: Option<Delivery>,
}

/// Something that the server answers with `ack` or `cancel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    Heartbeat,
    Running(Uuid),
    Terminal(Uuid),
}

/// Which terminal messages are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivery {
    /// Those that were left when the connection began.
    Left,
    /// That of the job that has just ended.
    Fresh,
}

impl Machine {
    pub(super) fn connected(&mut self) {
        if self.activity != Activity::Serving || self.link.is_some() {
            return;
        }
        self.link = Some(Link::default());
        self.deliver_all();
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
        if link.delivery.is_some() {
            return;
        }
        let is_tried = self.settings.is_trial && self.history.was_heard;
        if self.stopping.is_ordered() || is_tried {
            self.end_of_stop();
        } else if !link.is_asking {
            self.ask();
        }
    }

    fn ask(&mut self) {
        if let Some(link) = &mut self.link {
            link.is_asking = true;
        }
        let ready = Ready {
            poll_timeout: Some(self.settings.poll_timeout),
            runner: self.settings.info.clone(),
        };
        self.effect(Effect::Send(RunnerMessage::Ready(ready)));
        let patience = self.settings.poll_timeout.duration() + POLL_MARGIN;
        self.arm(Timer::Idle, patience);
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

    pub(super) fn received(&mut self, message: Result<ServerMessage, DecodeError>) {
        let Some(link) = &mut self.link else {
            return;
        };
        match &message {
            Ok(_) | Err(DecodeError::Job { .. }) => {
                link.was_heard = true;
                link.malformed = 0;
                link.unanswered = 0;
                self.history.failures = 0;
                self.history.was_told = false;
                if !std::mem::replace(&mut self.history.was_heard, true) {
                    self.effect(Effect::Reached);
                }
                self.server_has_spoken();
            }
            Err(_) => link.malformed += 1,
        }
        match message {
            Ok(ServerMessage::Ack { job }) => self.acknowledged(job),
            Ok(ServerMessage::Job(job)) => {
                self.is_answered();
                self.claimed(job);
            }
            Ok(ServerMessage::NoJob) => {
                self.is_answered();
                self.go_on();
            }
            Ok(ServerMessage::Cancel) => self.canceled(),
            Ok(ServerMessage::Update(update)) => {
                self.is_answered();
                self.offered(update);
            }
            Err(DecodeError::Job { job, source }) => {
                self.is_answered();
                self.refuse(
                    job,
                    format!("the runner does not understand the job: {source}"),
                );
            }
            Err(error) => self.misunderstood(&error),
        }
    }

    fn is_answered(&mut self) {
        if let Some(link) = &mut self.link
            && std::mem::take(&mut link.is_asking)
        {
            self.disarm(Timer::Idle);
        }
    }

    fn misunderstood(&mut self, error: &DecodeError) {
        self.say(
            Level::Warning,
            format!("a message of the server is passed over: {error}"),
        );
        let is_hopeless = |link: &Link| link.malformed >= MOST_MALFORMED;
        if self.link.as_ref().is_some_and(is_hopeless) {
            self.say(
                Level::Warning,
                "too many messages of the server make no sense: connecting again",
            );
            self.hang_up();
        }
    }

    /// Gives the connection up and makes another one.
    pub(super) fn hang_up(&mut self) {
        self.effect(Effect::Disconnect);
        self.lost();
        self.history.failures += 1;
        self.connect_again();
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
        ] {
            self.disarm(timer);
        }
        for letter in &mut self.outbox {
            if std::mem::take(&mut letter.is_sent) {
                letter.attempts = letter.attempts.saturating_add(1);
            }
        }
    }

    pub(super) fn disconnected(&mut self, ending: &Ending) {
        if self.activity != Activity::Serving {
            return;
        }
        for letter in self.outbox.iter_mut().filter(|letter| letter.is_sent) {
            if is_too_long(ending, letter) {
                letter.shorten();
            }
        }
        let was_heard = self.link.as_ref().is_some_and(|link| link.was_heard);
        let was_connected = self.link.is_some();
        self.lost();
        if let Some(reason) = self.refusal(ending) {
            self.exit(Exit::Refused(reason));
            return;
        }
        if !was_heard {
            self.history.failures = self.history.failures.saturating_add(1);
        }
        self.tell(ending, was_connected && !was_heard);
        self.connect_again();
    }

    /// Why there is no use in trying again: the server says so, and never said anything else.
    fn refusal(&self, ending: &Ending) -> Option<String> {
        let what = match ending {
            Ending::Refused { status: 401 | 403 } => "the key is wrong, or that of another runner",
            Ending::Refused { status: 404 } => "there is no such runner, or no such server",
            _ => return None,
        };
        let is_first = !self.history.was_heard && self.work.is_none();
        is_first.then(|| {
            format!("the server refuses this runner: {what}: check --host, --runner and --key")
        })
    }

    fn tell(&mut self, ending: &Ending, ended_at_once: bool) {
        let failures = self.history.failures;
        let never_heard = !self.history.was_heard;
        if never_heard && ended_at_once && failures.is_multiple_of(SUSPICIOUS) {
            self.say(
                Level::Warning,
                format!(
                    "the last {failures} connections ended before the server said anything: the key \
                     or the runner is probably wrong (check --host, --runner and --key)"
                ),
            );
            return;
        }
        let level = if std::mem::replace(&mut self.history.was_told, true) {
            Level::Debug
        } else {
            Level::Warning
        };
        self.say(level, format!("{}: connecting again", describe(ending)));
    }

    fn connect_again(&mut self) {
        if self.work.is_none() && self.stopping.has_no_time(self.outbox.is_empty()) {
            self.end_of_stop();
            return;
        }
        let is_urgent = self.work.is_some() || !self.outbox.is_empty();
        let most = if is_urgent { SOON } else { LATE };
        let doublings = self.history.failures.min(16);
        let delay = AT_ONCE.saturating_mul(1 << doublings).min(most);
        self.effect(Effect::Connect {
            after: delay / 2,
            spread: delay / 2,
        });
    }
}

/// Whether `letter` is taken to be too long for the server. One that is killed resets its connections
/// too: so a letter is sent whole some times before a reset is taken for an answer to it.
fn is_too_long(ending: &Ending, letter: &Letter) -> bool {
    match ending {
        Ending::Closed { code: 1009, .. } => true,
        Ending::Reset(_) => letter.attempts + 1 >= WHOLE_ATTEMPTS,
        _ => false,
    }
}

fn describe(ending: &Ending) -> String {
    match ending {
        Ending::Unreachable(error) => format!("the server can not be reached ({error})"),
        Ending::Refused { status } => format!("the server answers with the HTTP status {status}"),
        Ending::EndOfFile => "the server ended the connection without a word".to_owned(),
        Ending::Reset(error) => format!("the connection failed ({error})"),
        Ending::Closed { code, reason } => match CloseReason::parse(reason) {
            Some(CloseReason::HeartbeatTimeout) => {
                "the server missed heartbeats and closed the connection".to_owned()
            }
            Some(reason) => format!("the server closed the connection ({reason})"),
            None => format!(
                "the server closed the connection (code {code}, {})",
                Excerpt::new(reason)
            ),
        },
    }
}
