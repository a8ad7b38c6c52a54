//! What waits for the guest, and meanwhile minds the clock, the user and what is to be sent.

use std::io;
use std::time::{Duration, Instant};

use bencher_output_protocol::{Decoder, HostMessage, Stop};
use tokio::io::Interest;
use tokio::net::UnixStream;

use super::RunError;
use super::live::LiveWriter;
use super::supervisor::{Action, Event, Supervisor};
use super::witness::Witness;
use crate::machine::Machine;
use crate::{Interrupts, Reporter};

/// Whom the driver listens to while it waits for anything.
pub(super) struct Control<'a> {
    pub(super) machine: Machine,
    pub(super) witness: Witness<'a>,
    pub(super) supervisor: Supervisor,
    interrupts: &'a mut Interrupts,
    /// Frames for the guest, and how much of them is sent.
    outgoing: Vec<u8>,
    sent: usize,
    /// When the command was told to stop, or the machine was killed.
    stopped: Option<Instant>,
    pub(super) abandoned: bool,
}

/// How long a reader of the runner's own outputs is waited for once the command is to stop.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

#[derive(PartialEq, Eq)]
pub(super) enum Read {
    Some,
    End,
}

impl<'a> Control<'a> {
    pub(super) fn new(
        machine: Machine,
        witness: Witness<'a>,
        supervisor: Supervisor,
        interrupts: &'a mut Interrupts,
    ) -> Self {
        Self {
            machine,
            witness,
            supervisor,
            interrupts,
            outgoing: Vec::new(),
            sent: 0,
            stopped: None,
            abandoned: false,
        }
    }

    /// Waits for the stream, and meanwhile minds the clock and the user. `false` says that they
    /// ended the machine instead.
    pub(super) async fn connect(&mut self) -> Result<bool, RunError> {
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
    pub(super) async fn read(&mut self, decoder: &mut Decoder) -> Result<Read, RunError> {
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
    pub(super) async fn write(
        &mut self,
        writer: &mut LiveWriter,
        bytes: &[u8],
        reporter: &dyn Reporter,
    ) {
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

    pub(super) fn act(&mut self, action: Action) -> Result<(), RunError> {
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

    pub(super) fn send(&mut self, message: &HostMessage) -> Result<(), RunError> {
        self.outgoing.extend_from_slice(&message.encode()?);
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), RunError> {
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
