//! What surrounds a machine in a random order of events, and what must hold in it.

mod inputs;

use std::collections::{BTreeMap, BTreeSet};

use bencher_channel_protocol::runner::{Effect, Ending, Exit, Letter, Machine, Timer};
use bencher_channel_protocol::{Checksum, RunnerMessage, Terminal, Uuid};

use crate::course::settings;

/// Something that may happen, if it can.
#[derive(Debug, Clone)]
pub(crate) enum Event {
    Connect,
    Lose(Ending),
    /// The server answers what it was sent first, and cancels instead if that is possible.
    Answer {
        cancels: bool,
        names: bool,
    },
    Job(u8),
    BadJob(u8),
    NoJob,
    Cancel,
    Update(Checksum),
    Malformed,
    Fire(Timer),
    SetUp,
    Output,
    End {
        fails: bool,
    },
    Stop,
    Updated,
    NotUpdated {
        is_final: bool,
        /// A job that the program had that was tried.
        left: Option<u8>,
    },
    /// The runner is killed, and started again.
    Crash,
}

/// What a driver and its surroundings know.
#[derive(Debug, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is a fact of its own"
)]
pub(crate) struct World {
    is_connecting: bool,
    is_connected: bool,
    armed: BTreeSet<Timer>,
    /// The job whose process is there, and whether it is to die.
    process: Option<(Uuid, bool)>,
    /// Whether the server wanted the process to die.
    is_canceled: bool,
    is_updating: bool,
    /// How often the trial of another program was told to end.
    update_ends: u32,
    /// Another one of this runner is at the server.
    is_replaced: bool,
    /// How often a job's terminal message was sent and not acknowledged.
    failures: BTreeMap<Uuid, u32>,
    /// The job whose terminal message is on its way.
    on_its_way: Option<Uuid>,
    /// What is on disk, by job, the oldest first.
    disk: Vec<(Uuid, String)>,
    /// What the server has not answered on this connection.
    unanswered: Vec<Unanswered>,
    /// Terminal messages that have to be sent on this connection before `ready`.
    owed: BTreeSet<Uuid>,
    /// The event of the terminal message of each job, until it is acknowledged.
    ends: BTreeMap<Uuid, &'static str>,
    stops: u32,
    pub(crate) has_exited: Option<Exit>,
    /// Whether `ready` was sent and not answered.
    is_asked: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Unanswered {
    Alive,
    Terminal(Uuid),
}

impl World {
    pub(crate) fn apply(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            assert_eq!(self.has_exited, None, "{effect:?} after the end");
            self.apply_one(effect);
        }
        if let Some((job, _)) = self.process
            && self.is_connected
            && self.has_exited.is_none()
        {
            assert!(self.armed.contains(&Timer::Heartbeat), "{job} is silent");
            assert!(self.armed.contains(&Timer::Silence), "{job} waits for ever");
        }
        let is_waiting = self.is_connecting || self.is_updating || self.has_exited.is_some();
        if !is_waiting && self.process.is_none() {
            assert!(self.is_connected, "nothing will ever happen");
            let patience = [Timer::Idle, Timer::Acknowledge, Timer::Pace];
            assert!(
                patience.iter().any(|timer| self.armed.contains(timer)),
                "it waits for ever"
            );
        }
        if self.stops > 0 && self.has_exited.is_none() {
            assert!(
                self.armed.contains(&Timer::Drain)
                    || (self.is_updating && self.update_ends > 0)
                    || self.process.is_some_and(|(_, dies)| dies)
                    || self.armed.contains(&Timer::Acknowledge),
                "it never stops"
            );
        }
    }

    fn apply_one(&mut self, effect: Effect) {
        match effect {
            Effect::Connect { .. } => {
                assert!(!self.is_connected && !self.is_connecting && !self.is_updating);
                self.is_connecting = true;
            }
            Effect::Disconnect => {
                assert!(self.is_connected);
                self.hang_up();
            }
            Effect::Send(message) => self.sent(&message),
            Effect::Deliver { job, text } => self.delivered(job, &text),
            Effect::Start(job) => {
                assert_eq!(self.process, None, "two jobs");
                assert!(self.stops == 0, "a job after a stop order");
                assert!(!self.ends.contains_key(&job.uuid), "a job that has run");
                self.process = Some((job.uuid, false));
                self.is_canceled = false;
            }
            Effect::Kill => {
                let (_, dies) = self.process.as_mut().expect("something to kill");
                assert!(!*dies, "killed twice");
                *dies = true;
            }
            Effect::Arm { timer, .. } => drop(self.armed.insert(timer)),
            Effect::Disarm(timer) => drop(self.armed.remove(&timer)),
            Effect::Persist(letter) => self.persisted(&letter),
            Effect::Forget(job) if self.is_replaced && !self.ends.contains_key(&job) => {
                // What stands for the case that the runner is killed.
            }
            Effect::Forget(job) => {
                let before = self.disk.len();
                self.disk.retain(|(it, _)| *it != job);
                assert_eq!(
                    self.disk.len() + 1,
                    before,
                    "{job} is forgotten, and was not there"
                );
                self.ends.remove(&job);
                self.owed.remove(&job);
                self.failures.remove(&job);
                self.on_its_way = self.on_its_way.filter(|it| *it != job);
            }
            Effect::Update(_) => {
                assert!(!self.is_connected && self.process.is_none());
                self.is_updating = true;
                self.update_ends = 0;
            }
            Effect::EndUpdate => {
                assert!(self.is_updating && self.stops > 0);
                self.update_ends += 1;
            }
            Effect::Become => {
                assert!(self.is_updating && self.stops == 0 && self.process.is_none());
                self.has_exited = Some(Exit::Stopped);
            }
            Effect::Exit(exit) => {
                assert!(self.process.is_none(), "the end with a job");
                assert!(exit != Exit::Stopped || self.disk.is_empty());
                self.has_exited = Some(exit);
            }
            Effect::Reached | Effect::Say { .. } => {}
        }
    }

    fn sent(&mut self, message: &RunnerMessage) {
        assert!(self.is_connected, "{message:?} to nobody");
        match message {
            RunnerMessage::Ready(_) => {
                assert_eq!(self.process, None, "ready with a job");
                assert_eq!(self.stops, 0, "ready after a stop order");
                assert!(self.owed.is_empty(), "ready before {:?}", self.owed);
                self.is_asked = true;
            }
            RunnerMessage::Running | RunnerMessage::Heartbeat => {
                self.unanswered.push(Unanswered::Alive);
            }
            RunnerMessage::Output(output) => {
                assert_eq!(self.process.map(|(job, _)| job), Some(output.job));
            }
            terminal => panic!("{terminal:?} is not delivered"),
        }
    }

    fn persisted(&mut self, letter: &Letter) {
        let job = letter.job();
        let event = letter.terminal().event();
        assert!(!self.ends.contains_key(&job), "a second end of {job}");
        if self.is_canceled && !self.disk.iter().any(|(it, _)| *it == job) {
            let is_running =
                matches!(letter.terminal(), Terminal::Canceled { .. }) || event == "failed";
            assert!(is_running, "{event} after cancel");
        }
        self.ends.insert(job, event);
        self.disk.push((job, letter.to_file()));
    }

    fn delivered(&mut self, job: Uuid, text: &str) {
        assert!(self.is_connected);
        let message = RunnerMessage::decode(text).unwrap();
        assert!(
            self.disk.iter().any(|(it, _)| *it == job),
            "{job} is not on disk"
        );
        assert_eq!(self.ends.get(&job).copied(), Some(message.event()));
        let is_alone = self.on_its_way.is_none_or(|it| it == job);
        assert!(is_alone, "one at a time");
        self.on_its_way = Some(job);
        self.owed.remove(&job);
        self.unanswered.push(Unanswered::Terminal(job));
    }

    fn hang_up(&mut self) {
        if let Some(job) = self.on_its_way.take() {
            *self.failures.entry(job).or_default() += 1;
        }
        self.is_connected = false;
        self.unanswered.clear();
        self.owed.clear();
        self.is_asked = false;
    }

    /// Everything but the disk is gone.
    pub(crate) fn crash(&mut self) -> (Machine, Vec<Effect>) {
        *self = Self {
            disk: std::mem::take(&mut self.disk),
            ends: std::mem::take(&mut self.ends),
            ..Self::default()
        };
        let letters = self.disk.iter();
        let outbox = letters
            .map(|(_, text)| Letter::from_file(text, 1 << 20).unwrap())
            .collect();
        Machine::new(settings(), outbox)
    }

    /// A server that answers everything, and a job that ends: what was ever an end arrives.
    pub(crate) fn settle(&mut self, machine: &mut Machine) {
        for _ in 0..200 {
            if self.has_exited.is_some() {
                return;
            }
            let next = if self.is_connecting {
                Event::Connect
            } else if self.process.is_some() {
                Event::End { fails: false }
            } else if self.is_updating {
                Event::NotUpdated {
                    is_final: false,
                    left: None,
                }
            } else if !self.unanswered.is_empty() {
                Event::Answer {
                    cancels: false,
                    names: false,
                }
            } else if self.is_asked && self.disk.is_empty() {
                break;
            } else if self.armed.contains(&Timer::Pace) {
                Event::Fire(Timer::Pace)
            } else if self.armed.contains(&Timer::Retry) {
                Event::Fire(Timer::Retry)
            } else {
                Event::NoJob
            };
            if let Some(input) = self.input(&next) {
                self.apply(machine.handle(input));
            }
        }
        assert!(self.disk.is_empty(), "not delivered: {:?}", self.disk);
    }
}
