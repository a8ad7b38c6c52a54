//! The runner's side of the channel as a state machine without I/O: inputs in, effects out.
//!
//! ```text
//!            Connect              Connected                    Job
//!  (start) ----------> waiting --------------> asking ------------------> working
//!                       ^   ^                  |    ^                      |    |
//!                       |   '-- Disconnected --'    |          Cancel,     |    | Ended
//!                       |                           |          Deadline,   |    |
//!                       |  acknowledged, or not     |          Drain, Stop |    v
//!                       |  within a few seconds     |             Kill <---'  Persist, send
//!                       |                           |                           |
//!                       '------ Disconnected ------ delivering <----------------'
//!
//!  asking --no room for a result, or a host in doubt--> asleep --neither, or something to send--> waiting
//!
//!  asking --Update--> updating --Updated--> (the driver becomes another program)
//!                        '------UpdateFailed--> waiting
//! ```
//!
//! The link, the work and the outbox are independent of each other: a lost connection does not touch
//! the work, and what was not acknowledged stays in the outbox over connections, jobs and restarts. So
//! the states above are not variables, but what follows from these three and from whether the runner
//! is to stop.
//!
//! What is promised, whatever the order of inputs:
//!
//! * There is one job at a time, and one terminal message for it. It is persisted before it is sent, and
//!   forgotten when it is acknowledged. What is on disk is not in memory, but for the one that is sent.
//! * No job is asked for while there is no room on disk for its terminal message, or there is one that
//!   could not be written.
//! * No job is asked for after one that failed for a reason of this host, until the host was looked at.
//! * On each new connection what was not acknowledged is sent before `ready`, but for what the server has
//!   not taken on several connections: that waits until the server was asked for a job.
//! * From the claim to the terminal message there is a heartbeat each second while there is a connection.
//! * A job that is canceled before it has ended ends as canceled.
//! * After a stop order there is no `ready`, and the end comes within the drain timeout.
//!
//! Acknowledgements do not say what they are for, but come in order. So what is expected is kept in
//! a queue: the answer to a late heartbeat must not pass for that of a result. A connection on which one
//! was not answered is not used any longer.

mod delivery;
mod effect;
mod history;
mod host;
mod input;
mod letter;
mod link;
mod outbox;
mod reading;
mod retry;
mod room;
mod stopping;
mod updating;
mod work;

use std::collections::BTreeMap;
use std::time::Duration;

use uuid::Uuid;

pub use effect::{Effect, Exit, Level, Timer};
pub use input::{Ending, Failure, Fault, Input, NotLoaded, UpdateFailure};
pub use letter::Letter;

use crate::{Checksum, PollTimeout, RunnerInfo};
use history::History;
use host::Host;
use link::Link;
use outbox::Outbox;
use retry::Retry;
use room::Room;
use stopping::Stopping;
use updating::Offers;
use work::Work;

/// How long an acknowledgement of a terminal message is waited for.
pub const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(5);
/// The time between two heartbeats.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);
/// How long beyond the poll timeout an idle runner waits for an answer.
pub const POLL_MARGIN: Duration = Duration::from_secs(10);
/// How long a server may leave heartbeats without an answer before the connection counts as lost.
pub const SILENCE: Duration = Duration::from_secs(15);
/// How long a connection is there without a word, before it counts as one that the server wants: it ends that
/// of a runner with a wrong key at once.
pub const STANDING: Duration = Duration::from_secs(3);
/// The least time between two `ready`s while the server has no job.
pub const PACE: Duration = Duration::from_secs(1);
/// How long a job may take to be set up: its image is fetched, and its machine made.
pub const SET_UP_WITHIN: Duration = Duration::from_hours(1);
/// How long beyond its timeout a job may take before the runner ends it. A job's iterations have
/// their own timeouts, which should have come first.
pub const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

/// The most terminal messages that are kept for a server that acknowledges none: then no job is asked for.
pub const MOST_LETTERS: usize = 100;

/// What does not change while a runner runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server, as the user calls it.
    pub server: String,
    /// The runner, as the server calls it.
    pub runner: String,
    /// How long the server may wait for a job.
    pub poll_timeout: PollTimeout,
    /// What the runner is; `None` where it does not want to be updated.
    pub info: Option<RunnerInfo>,
    /// How long a job may go on after a stop order.
    pub drain_timeout: Duration,
    /// The longest message that the server takes, in bytes.
    pub message_limit: usize,
    /// Programs that were tried and given up.
    pub rejected: Vec<Checksum>,
    /// How many updates in a row, before this program was started, have failed for reasons that pass.
    pub failed_updates: u32,
    /// Whether this is a program that is only tried: it ends once the server has spoken to it, and the
    /// job that the server may have given it is over.
    pub is_trial: bool,
}

/// The runner's side of the channel.
#[derive(Debug)]
pub struct Machine {
    settings: Settings,
    /// The connection, while there is one.
    link: Option<Link>,
    work: Option<Work>,
    outbox: Outbox,
    /// Letters that are being read from disk, and how often they were asked for: answers come in order.
    reading: BTreeMap<Uuid, u32>,
    retry: Retry,
    room: Room,
    /// Whether the user knows that there was no room.
    was_room_missing: bool,
    host: Host,
    offers: Offers,
    stopping: Stopping,
    activity: Activity,
    history: History,
    effects: Vec<Effect>,
}

/// Whether the machine takes part in anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// It does.
    Serving,
    /// It does, without a connection until there is a use for one.
    Asleep,
    /// The driver is about to become another program.
    Updating,
    /// It has ended.
    Over,
}

impl Machine {
    /// A machine that is about to connect. `outbox` are the jobs whose letters are on disk, since they were
    /// not acknowledged before a restart, the oldest first.
    pub fn new(settings: Settings, outbox: Vec<Uuid>) -> (Self, Vec<Effect>) {
        let mut machine = Self {
            link: None,
            work: None,
            outbox: Outbox::new(outbox, settings.message_limit),
            settings,
            reading: BTreeMap::new(),
            retry: Retry::default(),
            room: Room::default(),
            was_room_missing: false,
            host: Host::default(),
            offers: Offers::default(),
            stopping: Stopping::No,
            activity: Activity::Serving,
            history: History::default(),
            effects: Vec::new(),
        };
        machine.effects.push(Effect::Connect {
            after: Duration::ZERO,
            spread: Duration::ZERO,
        });
        machine.updates_have_failed();
        let effects = std::mem::take(&mut machine.effects);
        (machine, effects)
    }

    /// Takes an input and returns what is to be done about it, in this order. After
    /// [`Effect::Exit`] there is nothing any more.
    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        if self.activity != Activity::Over {
            self.take(input);
        }
        std::mem::take(&mut self.effects)
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Connected => self.connected(),
            Input::Disconnected(ending) => self.disconnected(&ending),
            Input::Received(message) => self.received(message),
            Input::Fired(timer) => self.fired(timer),
            Input::SetUp => self.set_up(),
            Input::Output {
                iteration,
                stream,
                text,
            } => self.output(iteration, stream, text),
            Input::Ended {
                results,
                evidence,
                failure,
            } => self.ended(results, evidence, failure),
            Input::NotPersisted { letter, error } => self.not_persisted(letter, &error),
            Input::Loaded(letter) => self.loaded(&letter),
            Input::NotLoaded { job, problem } => self.not_loaded(job, &problem),
            Input::Room(made) => self.room_was_made(made),
            Input::Host(found) => self.host_was_looked_at(found),
            Input::Stop => self.stop(),
            Input::UpdateFailed(failure) => self.update_failed(failure),
            Input::Updated => self.updated(),
        }
    }

    fn fired(&mut self, timer: Timer) {
        match timer {
            Timer::Heartbeat => self.heartbeat(),
            Timer::Idle => self.poll_is_over(),
            Timer::Acknowledge => self.not_acknowledged(),
            Timer::Silence => self.server_is_silent(),
            Timer::Deadline => self.job_is_over_time(),
            Timer::Drain => self.drained(),
            Timer::Standing => self.connection_stands(),
            Timer::Pace => self.pace_is_over(),
            Timer::Retry => self.retry_is_due(),
            Timer::Room => self.room_is_due(),
            Timer::Host => self.host_is_due(),
            Timer::Offers => self.offers_are_welcome(),
        }
    }

    fn effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    fn say(&mut self, level: Level, text: impl Into<String>) {
        let text = text.into();
        self.effects.push(Effect::Say { level, text });
    }

    fn arm(&mut self, timer: Timer, after: Duration) {
        self.effects.push(Effect::Arm { timer, after });
    }

    fn disarm(&mut self, timer: Timer) {
        self.effects.push(Effect::Disarm(timer));
    }

    fn exit(&mut self, exit: Exit) {
        self.persist_unsaved();
        self.activity = Activity::Over;
        self.effects.push(Effect::Exit(exit));
    }
}
