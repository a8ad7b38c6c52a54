//! Drives one machine from its start to its end: the I/O around [`Supervisor`] and
//! [`Conversation`].

use std::time::Instant;

use bencher_output_protocol::{Conversation, Decoder, GuestMessage, HostMessage, Orders};

use super::RunError;
use super::control::{Control, PATIENCE, Read};
use super::live::{LiveOutput, LiveWriter};
use super::record::{Finish, Record};
use super::supervisor::{Cause, Event, Supervisor, Times};
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
    let supervisor = Supervisor::new(plan.times, record.moments.start);
    let mut control = Control::new(machine, Witness::new(instruments), supervisor, interrupts);
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
    let boot = verdict::Boot {
        limit: plan.times.boot,
        is_over: record.moments.started.is_some(),
    };
    let failure = verdict::failure(talked, cause, ended, boot, plan.console_hint);
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

/// The causes that are the command's or the user's, not the runner's.
pub(crate) fn is_expected(cause: Option<Cause>) -> bool {
    matches!(cause, Some(Cause::Timeout | Cause::Interrupted(_)))
}
