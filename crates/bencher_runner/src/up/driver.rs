//! Does what the machine says, and tells it what happens.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bencher_channel_protocol::runner::{
    Effect, Exit, Failure, Fault, Input, Letter, Level, Machine, Timer, UpdateFailure,
};
use bencher_channel_protocol::{
    Checksum, Evidence, IterationOutput, Job, OutputStream, ServerMessage, Uuid,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{Interval, MissedTickBehavior};

use super::connection::{Connection, News, Outgoing, Server};
use super::fairness::Fairness;
use super::job::{self, StartedJob, Workshop};
use super::listener::MOST_LIVE;
use super::outbox::Outbox;
use super::service::{self, Service};
use super::update::{self, Updater};
use crate::{Interrupts, Reporter};

/// How long the last messages may take to be sent when the runner ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// Something that has happened beside the driver.
#[derive(Debug)]
pub(super) enum Event {
    /// Of the connection of this number: earlier ones are of no interest any more.
    Connection(u64, News),
    /// The job's benchmark starts.
    SetUp,
    /// The job's command has written something.
    Output {
        iteration: u32,
        stream: OutputStream,
        text: String,
    },
    /// The job has ended.
    Ended {
        results: Vec<IterationOutput>,
        evidence: Option<Evidence>,
        failure: Option<Failure>,
    },
    /// The host was looked at: it can run jobs, or why it can not.
    Host(Result<(), String>),
    /// Another program is fit to take the place of this one.
    Updated,
    /// None is.
    NotUpdated {
        checksum: Checksum,
        error: String,
        /// Whether that is the program's own fault.
        is_final: bool,
    },
}

/// What the driver ends with.
#[derive(Debug)]
pub(super) enum Over {
    /// This.
    Exit(Exit),
    /// This program is to be started in the place of this one.
    Become(PathBuf),
}

#[derive(Debug)]
pub(super) struct Driver {
    pub(super) machine: Machine,
    pub(super) server: Server,
    pub(super) outbox: Outbox,
    /// What has come of effects, which the machine hears before anything else.
    pub(super) answers: VecDeque<Input>,
    pub(super) workshop: Arc<Workshop>,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) events: UnboundedSender<Event>,
    pub(super) link: Link,
    pub(super) job: Option<StartedJob>,
    pub(super) timers: BTreeMap<Timer, Instant>,
    pub(super) service: Service,
    pub(super) updater: Option<Arc<Updater>>,
    /// The program that an update is about.
    pub(super) offered: Option<Checksum>,
    pub(super) is_trial: bool,
}

/// The connection, if there is one.
#[derive(Debug, Default)]
pub(super) struct Link {
    connection: Option<Connection>,
    /// Which connection this is.
    number: u64,
    outgoing: Option<Outgoing>,
}

impl Driver {
    pub(super) async fn run(
        &mut self,
        mut received: UnboundedReceiver<Event>,
        effects: Vec<Effect>,
        interrupts: &mut Interrupts,
    ) -> Over {
        let mut over = self.apply(effects);
        service::say_ready();
        let mut signs = self.is_trial.then(signs_of_life);
        let mut fairness = Fairness::default();
        loop {
            if let Some(over) = over.or_else(|| self.answer()) {
                self.say_what_is_lost();
                return over;
            }
            let next = self.next_timer();
            let turn = fairness.turn(next, Instant::now());
            let input = tokio::select! {
                biased;
                _signal = interrupts.next() => {
                    service::say_stopping();
                    Some(Input::Stop)
                }
                () = self.service.watchdog() => None,
                () = tick(&mut signs) => {
                    update::say_alive();
                    None
                }
                timer = std::future::ready(turn), if turn.is_some() => timer.map(|it| self.fired(it)),
                event = received.recv() => event.and_then(|event| self.input(event)),
                timer = fire(next) => Some(self.fired(timer)),
            };
            over = input.and_then(|input| self.tell(input));
        }
    }

    fn tell(&mut self, input: Input) -> Option<Over> {
        let effects = self.machine.handle(input);
        self.apply(effects)
    }

    /// Tells the machine what has come of its effects, one letter at a time.
    fn answer(&mut self) -> Option<Over> {
        while let Some(answer) = self.answers.pop_front() {
            let over = self.tell(answer);
            if over.is_some() {
                return over;
            }
        }
        None
    }

    /// What the machine has not heard any more: it is in memory alone.
    fn say_what_is_lost(&mut self) {
        for answer in self.answers.drain(..) {
            if let Input::NotPersisted { letter, error } = answer {
                self.reporter.warning(&format!(
                    "the end of the job {} is lost unless the server has it: it can not be written to \
                     disk: {error}",
                    letter.job()
                ));
            }
        }
    }

    fn fired(&mut self, timer: Timer) -> Input {
        self.timers.remove(&timer);
        Input::Fired(timer)
    }

    fn next_timer(&self) -> Option<(Timer, Instant)> {
        let timers = self.timers.iter().map(|(timer, when)| (*timer, *when));
        timers.min_by_key(|(_, when)| *when)
    }

    fn input(&mut self, event: Event) -> Option<Input> {
        Some(match event {
            Event::Connection(number, _) if number != self.link.number => return None,
            Event::Connection(_, News::Connected(outgoing)) => {
                self.link.outgoing = Some(outgoing);
                Input::Connected
            }
            Event::Connection(_, News::Text(received)) => {
                Input::Received(ServerMessage::decode(&received.text))
            }
            Event::Connection(_, News::Ended(ending)) => {
                self.hang_up();
                Input::Disconnected(ending)
            }
            Event::SetUp => Input::SetUp,
            Event::Output {
                iteration,
                stream,
                text,
            } => {
                let waiting = &self.workshop.waiting;
                waiting.fetch_sub(text.len(), Ordering::Relaxed);
                // What a slow server does not take is dropped: the result has it.
                let is_full = |outgoing: &Outgoing| outgoing.waiting() > MOST_LIVE;
                if self.link.outgoing.as_ref().is_some_and(is_full) {
                    return None;
                }
                Input::Output {
                    iteration,
                    stream,
                    text,
                }
            }
            Event::Ended {
                results,
                evidence,
                failure,
            } => {
                self.job = None;
                Input::Ended {
                    results,
                    evidence,
                    failure,
                }
            }
            Event::Host(found) => Input::Host(found),
            Event::Updated => Input::Updated,
            Event::NotUpdated {
                checksum,
                error,
                is_final,
            } => Input::UpdateFailed(UpdateFailure {
                checksum,
                error,
                is_final,
                outbox: self.outbox_by_now(),
            }),
        })
    }

    /// What is on disk: a program that was tried may have had a job.
    fn outbox_by_now(&self) -> Option<Vec<Uuid>> {
        let jobs = self.outbox.jobs(self.reporter.as_ref());
        jobs.inspect_err(|error| self.reporter.warning(&error.to_string()))
            .ok()
    }

    fn hang_up(&mut self) {
        self.link.connection = None;
        self.link.outgoing = None;
        // What still comes of it is of no interest.
        self.link.number += 1;
    }

    /// Does what the machine says; the end, if that is what it says.
    fn apply(&mut self, effects: Vec<Effect>) -> Option<Over> {
        for effect in effects {
            match effect {
                Effect::Connect { after, spread } => {
                    self.connect(after + spread.mul_f64(fastrand::f64()));
                }
                Effect::Disconnect => self.hang_up(),
                Effect::Send(message) => self.send(message.encode()),
                Effect::Deliver { text, .. } => self.send(text),
                Effect::Start(job) => self.start(job),
                Effect::Kill => {
                    if let Some(job) = &self.job {
                        job.kill();
                    }
                }
                Effect::Arm { timer, after } => {
                    let now = Instant::now();
                    // A time that no clock reaches is none.
                    let _earlier = match now.checked_add(after) {
                        Some(when) => self.timers.insert(timer, when),
                        None => self.timers.remove(&timer),
                    };
                }
                Effect::Disarm(timer) => drop(self.timers.remove(&timer)),
                Effect::Persist(letter) => self.persist(letter),
                Effect::Load(job) => {
                    let answer = match self.outbox.read(job, self.reporter.as_ref()) {
                        Ok(letter) => Input::Loaded(letter),
                        Err(problem) => Input::NotLoaded { job, problem },
                    };
                    self.answers.push_back(answer);
                }
                Effect::MakeRoom => {
                    let made = self.outbox.make_room();
                    let made = made.map_err(|error| error.to_string());
                    self.answers.push_back(Input::Room(made));
                }
                Effect::LookAtHost => self.workshop.look_at_host(),
                Effect::Forget(job) => {
                    if let Err(error) = self.outbox.remove(job) {
                        self.reporter.warning(&format!(
                            "failed to remove the end of the job {job}, which the server has: {error}"
                        ));
                    }
                }
                Effect::Update(update) => {
                    if let Some(updater) = &self.updater {
                        self.offered = Some(update.checksum.clone());
                        updater.begin(update, self.events.clone());
                    }
                }
                Effect::EndUpdate => self.end_update(),
                Effect::Become => {
                    let next = self.updater.as_ref().and_then(|updater| updater.next());
                    return next.map(Over::Become);
                }
                Effect::Reached if self.is_trial => update::say_reached(),
                Effect::Reached => {
                    if let Some(updater) = &self.updater {
                        updater.has_come_up();
                    }
                }
                Effect::Say { level, text } => match level {
                    Level::Debug => self.reporter.debug(&text),
                    Level::Info => self.reporter.info(&text),
                    Level::Warning => self.reporter.warning(&text),
                },
                Effect::Exit(exit) => return Some(Over::Exit(exit)),
            }
        }
        None
    }

    /// Ends an update. Nothing is waited for but a trial, which may have a job.
    fn end_update(&mut self) {
        let is_awaited = self.updater.as_ref().is_some_and(|updater| updater.stop());
        if let Some(checksum) = self.offered.clone().filter(|_| !is_awaited) {
            let _ended = self.events.send(Event::NotUpdated {
                checksum,
                error: "the runner is stopping".to_owned(),
                is_final: false,
            });
        }
    }

    fn connect(&mut self, delay: Duration) {
        self.hang_up();
        let (events, number) = (self.events.clone(), self.link.number);
        self.link.connection = Some(self.server.connect(delay, move |news| {
            let _gone = events.send(Event::Connection(number, news));
        }));
    }

    fn send(&mut self, text: String) {
        if let Some(outgoing) = &self.link.outgoing {
            outgoing.send(text);
        }
    }

    /// A job whose end could not be kept is not begun.
    fn start(&mut self, job: Box<Job>) {
        match self.outbox.begin(job.uuid) {
            Ok(()) => self.job = Some(job::start(job, &self.workshop)),
            Err(error) => self.answers.push_back(Input::Ended {
                results: Vec::new(),
                evidence: None,
                failure: Some(Failure {
                    error: format!(
                        "the runner could not keep the result of the job on its disk: {error}"
                    ),
                    fault: Fault::Host,
                }),
            }),
        }
    }

    fn persist(&mut self, letter: Letter) {
        if let Err(error) = self.outbox.write(&letter) {
            let error = error.to_string();
            self.answers
                .push_back(Input::NotPersisted { letter, error });
        }
    }

    /// Lets the connection send what it has, and say that it ends. No job will need room any more.
    pub(super) async fn say_goodbye(&mut self) {
        if let Err(error) = self.outbox.give_back_room() {
            self.reporter.debug(&format!(
                "failed to give back the room for a result on disk: {error}"
            ));
        }
        self.link.outgoing = None;
        if let Some(connection) = self.link.connection.take() {
            let _late = tokio::time::timeout(GOODBYE, connection.end()).await;
        }
    }
}

fn signs_of_life() -> Interval {
    let mut interval = tokio::time::interval(update::ALIVE_EVERY);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn tick(interval: &mut Option<Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}

async fn fire(next: Option<(Timer, Instant)>) -> Timer {
    match next {
        Some((timer, when)) => {
            tokio::time::sleep_until(when.into()).await;
            timer
        }
        None => std::future::pending().await,
    }
}
