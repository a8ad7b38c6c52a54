//! Does what the machine says, and tells it what happens.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bencher_channel_protocol::runner::{
    Effect, Exit, Input, Letter, Level, Machine, Settings, Timer,
};
use bencher_channel_protocol::{
    Architecture, Checksum, IterationOutput, MESSAGE_LIMIT, Os, OutputStream, RunnerInfo,
    ServerMessage,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::connection::{Connection, News, Outgoing, Server};
use super::job::{self, StartedJob, Workshop};
use super::listener::MOST_LIVE;
use super::lock::RunnerFolder;
use super::outbox::Outbox;
use super::service::{self, Service};
use super::update::{self, Updater};
use super::{UpError, UpSpec, trust};
use crate::run::put_back_left_over;
use crate::{Interrupts, Reporter};

/// How long the last messages may take to be sent when the runner ends.
const GOODBYE: Duration = Duration::from_secs(2);

/// How `runner up` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It was told to stop, and nothing is left to do.
    Stopped,
    /// It was told to stop, and what could not be delivered is on disk.
    Undelivered,
    /// It was told to stop at once.
    AtOnce,
    /// Another program is in its place, and is to be started.
    Updated,
}

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
        error: Option<String>,
    },
    /// Another program is in the place of this one.
    Updated,
    /// It is not.
    NotUpdated { checksum: Checksum, error: String },
}

/// Claims jobs and runs them, until a signal says to stop.
///
/// # Errors
///
/// [`UpError`]: it can not start, or the server does not want this runner.
pub fn serve(spec: UpSpec, reporter: Arc<dyn Reporter>) -> Result<End, UpError> {
    let tls = trust::client_config(spec.ca_file.as_deref())?;
    let server = Server::new(&spec.host, &spec.runner, &spec.key, tls)?;
    let folder = if spec.is_trial {
        RunnerFolder::borrow(&spec.directories.state, &spec.runner)
    } else {
        RunnerFolder::take(&spec.directories.state, &spec.runner)?
    };
    let outbox = Outbox::open(folder.path())?;
    let letters = outbox.load(LIMIT, reporter.as_ref())?;
    put_back_left_over(reporter.as_ref());
    let outputs = folder.path().join("outputs");
    remove_left_over(&outputs, reporter.as_ref());
    let (events, received) = unbounded_channel();
    let updater = match spec.updates {
        Some(updates) if !spec.is_trial => {
            Some(Updater::new(updates, folder.path(), Arc::clone(&reporter))?)
        }
        _ => None,
    };
    let settings = Settings {
        poll_timeout: spec.poll_timeout,
        info: updater.as_ref().map(|updater| RunnerInfo {
            os: Os::Linux,
            arch: architecture(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            channel: Some(updater.channel()),
            checksum: Some(updater.own_checksum()),
            live_output: true,
        }),
        drain_timeout: spec.drain_timeout,
        message_limit: LIMIT,
        rejected: updater.as_ref().map(Updater::rejected).unwrap_or_default(),
        is_trial: spec.is_trial,
    };
    let (machine, effects) = Machine::new(settings, letters);
    let mut driver = Driver {
        machine,
        server,
        outbox,
        workshop: Arc::new(Workshop {
            policy: spec.jobs,
            directories: spec.directories,
            ca_file: spec.ca_file,
            folder: outputs,
            limit: LIMIT,
            reporter: Arc::clone(&reporter),
            events: events.clone(),
            waiting: Arc::default(),
        }),
        reporter,
        events,
        connection: None,
        number: 0,
        outgoing: None,
        job: None,
        timers: BTreeMap::new(),
        service: Service::new(),
        updater,
        is_trial: spec.is_trial,
    };
    drop(spec.key);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(UpError::Start)?;
    let exit = runtime.block_on(async {
        let mut interrupts = Interrupts::catch()?;
        let exit = driver.run(received, effects, &mut interrupts).await;
        driver.say_goodbye().await;
        Ok::<_, io::Error>(exit)
    });
    runtime.shutdown_background();
    match exit.map_err(UpError::Start)? {
        None => Ok(End::Updated),
        Some(exit) => end(exit),
    }
}

fn end(exit: Exit) -> Result<End, UpError> {
    match exit {
        Exit::Stopped => Ok(End::Stopped),
        Exit::Undelivered => Ok(End::Undelivered),
        Exit::AtOnce => Ok(End::AtOnce),
        Exit::Refused(reason) => Err(UpError::Refused(reason)),
    }
}

/// The longest message that is sent. What a WebSocket adds to it is less than the difference.
const LIMIT: usize = MESSAGE_LIMIT - 1024;

fn architecture() -> Architecture {
    if cfg!(target_arch = "aarch64") {
        Architecture::Aarch64
    } else {
        Architecture::X86_64
    }
}

fn remove_left_over(folder: &std::path::Path, reporter: &dyn Reporter) {
    match fs::remove_dir_all(folder) {
        Ok(()) => reporter.debug("removed the outputs of a job that was not ended"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => {
            reporter.warning(&format!("failed to remove {}: {error}", folder.display()));
        }
    }
}

#[derive(Debug)]
struct Driver {
    machine: Machine,
    server: Server,
    outbox: Outbox,
    workshop: Arc<Workshop>,
    reporter: Arc<dyn Reporter>,
    events: UnboundedSender<Event>,
    connection: Option<Connection>,
    /// Which connection this is.
    number: u64,
    outgoing: Option<Outgoing>,
    job: Option<StartedJob>,
    timers: BTreeMap<Timer, Instant>,
    service: Service,
    updater: Option<Updater>,
    is_trial: bool,
}

impl Driver {
    async fn run(
        &mut self,
        mut received: UnboundedReceiver<Event>,
        effects: Vec<Effect>,
        interrupts: &mut Interrupts,
    ) -> Option<Exit> {
        if let Some(exit) = self.apply(effects) {
            return Some(exit);
        }
        service::say_ready();
        loop {
            let next = self.next_timer();
            let input = tokio::select! {
                biased;
                _signal = interrupts.next() => {
                    service::say_stopping();
                    Some(Input::Stop)
                }
                () = self.service.watchdog() => None,
                event = received.recv() => event.and_then(|event| self.input(event)),
                timer = fire(next) => {
                    self.timers.remove(&timer);
                    Some(Input::Fired(timer))
                }
            };
            if self.updater.as_ref().is_some_and(Updater::is_done) {
                return None;
            }
            let Some(input) = input else {
                continue;
            };
            let effects = self.machine.handle(input);
            if let Some(exit) = self.apply(effects) {
                return Some(exit);
            }
        }
    }

    fn next_timer(&self) -> Option<(Timer, Instant)> {
        let timers = self.timers.iter().map(|(timer, when)| (*timer, *when));
        timers.min_by_key(|(_, when)| *when)
    }

    fn input(&mut self, event: Event) -> Option<Input> {
        Some(match event {
            Event::Connection(number, _) if number != self.number => return None,
            Event::Connection(_, News::Connected(outgoing)) => {
                self.outgoing = Some(outgoing);
                Input::Connected
            }
            Event::Connection(_, News::Text(text)) => Input::Received(ServerMessage::decode(&text)),
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
                if self.outgoing.as_ref().is_some_and(is_full) {
                    return None;
                }
                Input::Output {
                    iteration,
                    stream,
                    text,
                }
            }
            Event::Ended { results, error } => {
                self.job = None;
                Input::Ended { results, error }
            }
            // The loop looks whether that is so.
            Event::Updated => return None,
            Event::NotUpdated { checksum, error } => Input::UpdateFailed { checksum, error },
        })
    }

    fn hang_up(&mut self) {
        self.connection = None;
        self.outgoing = None;
        // What still comes of it is of no interest.
        self.number += 1;
    }

    /// Does what the machine says; the end, if that is what it says.
    fn apply(&mut self, effects: Vec<Effect>) -> Option<Exit> {
        for effect in effects {
            match effect {
                Effect::Connect { after, spread } => {
                    self.connect(after + spread.mul_f64(fastrand::f64()));
                }
                Effect::Disconnect => self.hang_up(),
                Effect::Send(message) => self.send(message.encode()),
                Effect::Deliver { text, .. } => self.send(text),
                Effect::Start(job) => {
                    self.persist(&Letter::abandoned(job.uuid, LIMIT));
                    self.job = Some(job::start(job, &self.workshop));
                }
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
                Effect::Persist(letter) => self.persist(&letter),
                Effect::Forget(job) => {
                    if let Err(error) = self.outbox.remove(job) {
                        self.reporter.warning(&format!(
                            "failed to remove the end of the job {job}, which the server has: {error}"
                        ));
                    }
                }
                Effect::Update(update) => {
                    if let Some(updater) = &self.updater {
                        updater.begin(update, self.events.clone());
                    }
                }
                Effect::Reached if self.is_trial => update::say_reached(),
                Effect::Reached => {}
                Effect::Say { level, text } => match level {
                    Level::Debug => self.reporter.debug(&text),
                    Level::Info => self.reporter.info(&text),
                    Level::Warning => self.reporter.warning(&text),
                },
                Effect::Exit(exit) => return Some(exit),
            }
        }
        None
    }

    fn connect(&mut self, delay: Duration) {
        self.hang_up();
        let (events, number) = (self.events.clone(), self.number);
        self.connection = Some(self.server.connect(delay, move |news| {
            let _gone = events.send(Event::Connection(number, news));
        }));
    }

    fn send(&mut self, text: String) {
        if let Some(outgoing) = &self.outgoing {
            outgoing.send(text);
        }
    }

    /// A message that can not be written is sent all the same.
    fn persist(&self, letter: &Letter) {
        if let Err(error) = self.outbox.write(letter) {
            self.reporter.warning(&format!(
                "the end of the job {} is not on disk, and would not survive a restart: {error}",
                letter.job()
            ));
        }
    }

    /// Lets the connection send what it has, and say that it ends.
    async fn say_goodbye(&mut self) {
        self.outgoing = None;
        if let Some(connection) = self.connection.take() {
            let _late = tokio::time::timeout(GOODBYE, connection.end()).await;
        }
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
