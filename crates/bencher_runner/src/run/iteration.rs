//! Drives one machine from its start to its end: the I/O around [`Supervisor`] and
//! [`Conversation`].

use std::io;
use std::time::{Duration, Instant};

use bencher_output_protocol::{Conversation, Decoder, GuestMessage, HostMessage, Orders, Stop};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::RunError;
use super::live::{LiveOutput, LiveWriter};
use super::record::{Finish, Record};
use super::supervisor::{Action, Cause, Event, Supervisor, Times};
use super::verdict;
use super::witness::{Instruments, Witness};
use crate::machine::{Machine, MachineError};
use crate::reporter::OutputStream;
use crate::result::Iteration;
use crate::{Interrupts, Reporter};

/// What an iteration needs besides its machine.
#[derive(Debug)]
pub(crate) struct IterationPlan<'a> {
    pub(crate) orders: &'a Orders,
    pub(crate) times: Times,
    pub(crate) live: LiveOutput,
    pub(crate) reporter: &'a dyn Reporter,
    /// How to learn more of a machine that fails, where its console is silent.
    pub(crate) console_hint: Option<&'static str>,
}

/// Whom the driver listens to while it waits for anything.
struct Control<'a> {
    machine: Machine,
    witness: Witness<'a>,
    supervisor: Supervisor,
    interrupts: &'a mut Interrupts,
    /// Frames for the guest, and how much of them is sent.
    outgoing: Vec<u8>,
    sent: usize,
    /// When the command was told to stop, or the machine was killed.
    stopped: Option<Instant>,
    abandoned: bool,
}

/// How long a reader of the runner's own outputs is waited for once the command is to stop.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs the command in `machine`, which was started at `record.moments.start`.
///
/// Never fails: what goes wrong is in the iteration, beside everything that came before.
pub(crate) async fn drive(
    machine: Machine,
    plan: &IterationPlan<'_>,
    interrupts: &mut Interrupts,
    instruments: &mut Instruments,
    mut record: Record<'_>,
) -> (Iteration, Option<RunError>) {
    let mut control = Control {
        supervisor: Supervisor::new(plan.times, record.moments.start),
        machine,
        witness: Witness::new(instruments),
        interrupts,
        outgoing: Vec::new(),
        sent: 0,
        stopped: None,
        abandoned: false,
    };
    let mut outputs = Outputs {
        stdout: LiveWriter::stdout(plan.live),
        stderr: LiveWriter::stderr(plan.live),
    };
    let talked = talk(plan, &mut control, &mut outputs, &mut record).await;
    let cause = control.supervisor.cause();
    record.moments.last_word = Some(Instant::now());
    let ended = control.machine.finish().await;
    record.moments.gone = Some(Instant::now());
    // What comes next on standard error is the runner's own, on a line of its own.
    let line_ended = tokio::time::timeout(PATIENCE, outputs.stderr.end_line()).await;
    if !matches!(line_ended, Ok(Ok(()))) {
        plan.reporter
            .debug("failed to end the line on standard error");
    }
    let failure = verdict::failure(talked, cause, ended, plan.times.boot, plan.console_hint);
    record.finish(Finish { cause, failure })
}

struct Outputs {
    stdout: LiveWriter,
    stderr: LiveWriter,
}

/// Why the talk with a guest ended.
pub(crate) enum Talk {
    /// The guest has said everything.
    Done,
    /// The stream ended first.
    StreamEnded,
    /// The guest gave up, or broke the rules.
    Failed(RunError),
}

async fn talk(
    plan: &IterationPlan<'_>,
    control: &mut Control<'_>,
    outputs: &mut Outputs,
    record: &mut Record<'_>,
) -> Talk {
    match control.connect().await {
        Ok(true) => {}
        Ok(false) | Err(RunError::Machine(MachineError::VmmGone)) => return Talk::StreamEnded,
        Err(error) => return Talk::Failed(error),
    }
    let mut decoder = Decoder::of_guest();
    let mut conversation = Conversation::default();
    let mut frames = 0;
    loop {
        let read = match control.read(&mut decoder).await {
            Ok(read) => read,
            Err(error) => return Talk::Failed(error),
        };
        if control.abandoned {
            return Talk::StreamEnded;
        }
        if read == Read::End {
            // It may well end inside a frame: why it ended is the question, and the console knows.
            return Talk::StreamEnded;
        }
        loop {
            let message = match decoder.next_from_guest() {
                Ok(Some(message)) => message,
                Ok(None) => break,
                Err(error) => return Talk::Failed(error.into()),
            };
            if let Err(error) = conversation.advance(&message, frames) {
                return Talk::Failed(error.into());
            }
            frames += 1;
            let handled = handle(&message, plan, control, outputs, record).await;
            match handled {
                Ok(()) if conversation == Conversation::Over => return Talk::Done,
                Ok(()) if control.abandoned => return Talk::StreamEnded,
                Ok(()) => {}
                Err(error) => return Talk::Failed(error),
            }
        }
    }
}

async fn handle(
    message: &GuestMessage<'_>,
    plan: &IterationPlan<'_>,
    control: &mut Control<'_>,
    outputs: &mut Outputs,
    record: &mut Record<'_>,
) -> Result<(), RunError> {
    let now = Instant::now();
    let mut event = Event::Frame;
    match message {
        GuestMessage::Hello { kernel_release, .. } => {
            record.moments.hello = Some(now);
            record.kernel_release(kernel_release);
            if let Err(error) = control.machine.place() {
                record.warn(format!(
                    "not all of the machine is where it belongs: {error}"
                ));
            }
            control.witness.count(&control.machine);
            if !control.machine.has_orders() {
                let mut orders = plan.orders.clone();
                orders.root = control.machine.root().clone();
                control.send(&HostMessage::Hello)?;
                control.send(&HostMessage::Orders(Box::new(orders)))?;
                control.flush()?;
            }
            // The guest has its orders, and something to do, before the host is looked at.
            control.witness.begin(&control.machine);
        }
        GuestMessage::Started { .. } => {
            record.moments.started = Some(now);
            plan.reporter.started(&plan.orders.arguments);
            event = Event::Started;
        }
        GuestMessage::Stdout(bytes) => {
            let kept = record.stdout(bytes)?;
            if plan.live == LiveOutput::Reporter {
                plan.reporter.output(OutputStream::Stdout, kept);
            }
            control
                .write(&mut outputs.stdout, kept, plan.reporter)
                .await;
        }
        GuestMessage::Stderr(bytes) => {
            let kept = record.stderr(bytes)?;
            if plan.live == LiveOutput::Reporter {
                plan.reporter.output(OutputStream::Stderr, kept);
            }
            control
                .write(&mut outputs.stderr, kept, plan.reporter)
                .await;
        }
        GuestMessage::Exited(report) => {
            record.moments.exited = Some(now);
            record.exited(report.clone());
            if let Some(witnessed) = control.witness.end(&control.machine) {
                record.witnessed(witnessed);
            }
            event = Event::Exited;
        }
        GuestMessage::FileBegin(begin) => record.file_begin(begin)?,
        GuestMessage::FileData(bytes) => record.file_data(bytes)?,
        GuestMessage::FileEnd => record.file_end(),
        GuestMessage::FileMissing { path, reason } => {
            record.file_missing(path, reason);
            event = Event::Aside;
        }
        GuestMessage::Log { level, text } => {
            record.log(*level, text);
            event = Event::Aside;
        }
        GuestMessage::Failed { stage, reason } => {
            return Err(verdict::guest_failure(stage, reason));
        }
        GuestMessage::Done => event = Event::Done,
    }
    let action = control.supervisor.handle(event, now);
    control.act(action)
}

#[derive(PartialEq, Eq)]
enum Read {
    Some,
    End,
}

impl Control<'_> {
    /// Waits for the stream, and meanwhile minds the clock and the user. `false` says that they
    /// ended the machine instead.
    async fn connect(&mut self) -> Result<bool, RunError> {
        loop {
            let deadline = self.supervisor.deadline();
            tokio::select! {
                biased;
                event = next_event(self.interrupts, deadline) => {
                    let action = self.supervisor.handle(event, Instant::now());
                    self.act(action)?;
                    if matches!(action, Action::Kill | Action::Abandon) {
                        return Ok(false);
                    }
                }
                connected = self.machine.connect() => {
                    connected?;
                    return Ok(true);
                }
            }
        }
    }

    /// Waits for bytes of the guest, and meanwhile sends what is to be sent and minds the clock
    /// and the user.
    async fn read(&mut self, decoder: &mut Decoder) -> Result<Read, RunError> {
        loop {
            let interest = if self.sent < self.outgoing.len() {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            let deadline = self.supervisor.deadline();
            let ready = tokio::select! {
                biased;
                event = next_event(self.interrupts, deadline) => {
                    let action = self.supervisor.handle(event, Instant::now());
                    self.act(action)?;
                    if self.abandoned {
                        return Ok(Read::End);
                    }
                    continue;
                }
                ready = stream(&self.machine)?.ready(interest) => ready.map_err(stream_error)?,
            };
            if ready.is_writable() && self.sent < self.outgoing.len() {
                self.flush()?;
            }
            if ready.is_readable() || ready.is_read_closed() {
                match stream(&self.machine)?.try_read(decoder.space()) {
                    Ok(0) => return Ok(Read::End),
                    Ok(count) => {
                        decoder.filled(count);
                        return Ok(Read::Some);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                        return Ok(Read::End);
                    }
                    Err(error) => return Err(stream_error(error)),
                }
            }
        }
    }

    /// Writes to one of the runner's own outputs, however slowly it is read, and meanwhile sends
    /// what is to be sent and minds the clock and the user. Once the command is to stop, a reader
    /// who does not read is not waited for: the output is still counted and kept.
    async fn write(&mut self, writer: &mut LiveWriter, bytes: &[u8], reporter: &dyn Reporter) {
        if bytes.is_empty() {
            return;
        }
        match self.try_write(writer, bytes).await {
            Ok(()) => {}
            Err(error) => {
                writer.close();
                reporter.warning(&format!(
                    "nobody reads the command's output any more ({error}): the result still \
                     counts it"
                ));
            }
        }
    }

    async fn try_write(&mut self, writer: &mut LiveWriter, bytes: &[u8]) -> io::Result<()> {
        let write = writer.write(bytes);
        tokio::pin!(write);
        loop {
            let deadline = self.supervisor.deadline();
            let give_up = self.stopped.map(|stopped| stopped + PATIENCE);
            let has_to_send = self.sent < self.outgoing.len();
            let stream = stream(&self.machine).map_err(io::Error::other)?;
            tokio::select! {
                biased;
                result = &mut write => return result,
                event = next_event(self.interrupts, deadline) => {
                    let action = self.supervisor.handle(event, Instant::now());
                    self.act(action).map_err(io::Error::other)?;
                    if self.abandoned {
                        return Ok(());
                    }
                }
                ready = stream.writable(), if has_to_send => {
                    ready?;
                    self.flush().map_err(io::Error::other)?;
                }
                () = sleep_until(give_up) => return Err(io::ErrorKind::TimedOut.into()),
            }
        }
    }

    fn act(&mut self, action: Action) -> Result<(), RunError> {
        if action != Action::Continue {
            self.stopped.get_or_insert_with(Instant::now);
        }
        match action {
            Action::Continue => Ok(()),
            Action::Stop { grace } => {
                let grace_milliseconds = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
                self.send(&HostMessage::Stop(Stop { grace_milliseconds }))
            }
            Action::Kill => {
                self.machine.kill();
                Ok(())
            }
            Action::Abandon => {
                self.machine.abandon();
                self.abandoned = true;
                Ok(())
            }
        }
    }

    fn send(&mut self, message: &HostMessage) -> Result<(), RunError> {
        self.outgoing.extend_from_slice(&message.encode()?);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), RunError> {
        match stream(&self.machine)?.try_write(&self.outgoing[self.sent..]) {
            Ok(count) => self.sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            // The guest has gone: reading will tell.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset
                ) =>
            {
                self.sent = self.outgoing.len();
            }
            Err(error) => return Err(stream_error(error)),
        }
        if self.sent == self.outgoing.len() {
            self.outgoing.clear();
            self.sent = 0;
        }
        Ok(())
    }
}

/// The stream to the guest.
fn stream(machine: &Machine) -> Result<&UnixStream, RunError> {
    // Nothing is read or written before it is connected.
    machine
        .stream()
        .ok_or_else(|| stream_error(io::ErrorKind::NotConnected.into()))
}

async fn next_event(interrupts: &mut Interrupts, deadline: Option<Instant>) -> Event {
    tokio::select! {
        signal = interrupts.next() => Event::Interrupt(signal),
        () = sleep_until(deadline) => Event::Deadline,
    }
}

/// Until `moment`, or for ever.
async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

fn stream_error(source: io::Error) -> RunError {
    RunError::Io {
        action: "read the guest's stream",
        source,
    }
}

/// The causes that are the command's or the user's, not the runner's.
pub(crate) fn is_expected(cause: Option<Cause>) -> bool {
    matches!(cause, Some(Cause::Timeout | Cause::Interrupted(_)))
}
