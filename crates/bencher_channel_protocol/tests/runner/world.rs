//! What surrounds a machine in a random order of events, and what must hold in it.

mod disk;
mod inputs;

use std::collections::{BTreeMap, BTreeSet};

use bencher_channel_protocol::runner::{Effect, Ending, Exit, Fault, Input, Machine, Timer};
use bencher_channel_protocol::{Checksum, RunnerMessage, Uuid};

use crate::course::settings;
use disk::Disk;
pub(crate) use disk::Health;

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
        fails: Option<Fault>,
    },
    /// The host was looked at.
    HostAnswers {
        is_fit: bool,
    },
    Stop,
    Updated,
    NotUpdated {
        is_final: bool,
        /// A job that the program had that was tried.
        left: Option<u8>,
        /// Whether it has delivered what was the oldest on disk.
        delivers: bool,
    },
    /// The disk is in this state from now on.
    Disk(Health),
    /// The disk does something that it was told to.
    DiskAnswers,
    /// Somebody removes the file of a letter.
    Removed(u8),
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
    /// A job has failed for a reason of the host, which was found fit by nobody since.
    is_host_doubted: bool,
    is_host_looked_at: bool,
    /// How often the trial of another program was told to end.
    update_ends: u32,
    /// Another one of this runner is at the server.
    is_replaced: bool,
    /// How often a job's terminal message was sent and not acknowledged.
    failures: BTreeMap<Uuid, u32>,
    /// The job whose terminal message is on its way.
    on_its_way: Option<Uuid>,
    disk: Disk,
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
            let patience: &[Timer] = if self.is_connected {
                &[Timer::Idle, Timer::Acknowledge, Timer::Pace]
            } else {
                &[Timer::Retry, Timer::Room, Timer::Host]
            };
            assert!(
                self.disk.is_busy()
                    || self.is_host_looked_at
                    || patience.iter().any(|timer| self.armed.contains(timer)),
                "nothing will ever happen"
            );
        }
        if self.stops > 0 && self.has_exited.is_none() {
            assert!(
                self.armed.contains(&Timer::Drain)
                    || (self.is_updating && self.update_ends > 0)
                    || self.process.is_some_and(|(_, dies)| dies)
                    || self.armed.contains(&Timer::Acknowledge)
                    || self.disk.is_busy(),
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
                assert!(self.disk.unsaved.is_empty(), "its end could not be kept");
                assert!(!self.is_host_doubted, "it would fail");
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
            Effect::Persist(letter) => {
                self.ended(letter.job(), letter.terminal().event());
                self.disk.write(letter);
            }
            Effect::Load(job) => self.disk.read(job),
            Effect::MakeRoom => self.disk.make_room(),
            Effect::LookAtHost => {
                assert!(!self.is_host_looked_at, "looked at twice");
                self.is_host_looked_at = true;
            }
            Effect::Forget(job) if self.is_replaced && !self.ends.contains_key(&job) => {
                // What stands for the case that the runner is killed.
            }
            Effect::Forget(job) => {
                let was_there = self.ends.remove(&job).is_some();
                assert!(was_there, "{job} is forgotten, and was not there");
                self.disk.remove(job);
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
                assert!(self.disk.unsaved.is_empty(), "it would be lost");
                self.has_exited = Some(Exit::Stopped);
            }
            Effect::Exit(exit) => {
                assert!(self.process.is_none(), "the end with a job");
                assert!(exit != Exit::Stopped || self.ends.is_empty());
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
                assert!(self.disk.has_room, "ready without room");
                assert!(!self.is_host_doubted, "ready for what would fail");
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

    /// A job has this end.
    fn ended(&mut self, job: Uuid, event: &'static str) {
        if let Some(end) = self.ends.insert(job, event) {
            let is_again = self.disk.unsaved.contains(&job) && event == end;
            let is_lost = self.disk.lost.contains(&job) && event == "failed";
            assert!(is_again || is_lost, "a second end of {job}");
        } else if self.is_canceled {
            assert_ne!(event, "completed", "after cancel");
        }
    }

    fn delivered(&mut self, job: Uuid, text: &str) {
        assert!(self.is_connected);
        let message = RunnerMessage::decode(text).unwrap();
        assert!(self.disk.was_told_of(job), "{job} is not on disk");
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
        let disk = self.disk.after_a_crash();
        let mut ends = std::mem::take(&mut self.ends);
        ends.retain(|job, _| disk.has(*job));
        *self = Self {
            disk,
            ends,
            ..Self::default()
        };
        Machine::new(settings(), self.disk.jobs())
    }

    /// Tells the machine of something, and does what it says. That something can not be written it hears
    /// before anything else.
    pub(crate) fn tell(&mut self, machine: &mut Machine, input: Input) {
        let mut next = Some(input);
        while let Some(input) = next {
            self.apply(machine.handle(input));
            next = self.urgent_answer();
        }
    }

    /// A server that answers everything, a disk that does what it is told, and a job that ends: what was
    /// ever an end arrives.
    pub(crate) fn settle(&mut self, machine: &mut Machine) {
        self.disk.health = Health::Good;
        for _ in 0..300 {
            if self.has_exited.is_some() {
                return;
            }
            let is_asleep = !self.is_connected && self.process.is_none();
            let next = if self.disk.is_busy() {
                Event::DiskAnswers
            } else if self.is_connecting {
                Event::Connect
            } else if self.process.is_some() {
                Event::End { fails: None }
            } else if self.is_updating {
                Event::NotUpdated {
                    is_final: false,
                    left: None,
                    delivers: false,
                }
            } else if self.is_host_looked_at {
                Event::HostAnswers { is_fit: true }
            } else if is_asleep && self.armed.contains(&Timer::Host) {
                Event::Fire(Timer::Host)
            } else if is_asleep && self.armed.contains(&Timer::Room) {
                Event::Fire(Timer::Room)
            } else if !self.unanswered.is_empty() {
                Event::Answer {
                    cancels: false,
                    names: false,
                }
            } else if self.is_asked && self.ends.is_empty() {
                break;
            } else if self.armed.contains(&Timer::Pace) {
                Event::Fire(Timer::Pace)
            } else if self.armed.contains(&Timer::Retry) {
                Event::Fire(Timer::Retry)
            } else {
                Event::NoJob
            };
            if let Some(input) = self.input(&next) {
                self.tell(machine, input);
            }
        }
        assert!(self.ends.is_empty(), "not delivered: {:?}", self.ends);
    }
}
