//! The stream to the host.

use std::os::fd::OwnedFd;

use bencher_output_protocol::{Decoder, GuestMessage, HostMessage, LogLevel, Orders, Stop};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::alarm;
use crate::clock;
use crate::error::{InitError, Reason};
use crate::outbox::Outbox;
use crate::poller::{Poller, Source};
use crate::text::{TEXT_LIMIT, clip};

/// The stream, with what is on its way in both directions, and the poller that everything waits
/// with.
#[derive(Debug)]
pub(crate) struct Link {
    fd: OwnedFd,
    poller: Poller,
    outbox: Outbox,
    decoder: Decoder,
    /// Whether the host was ever there: before, a virtio port reads like one that was closed.
    connected: bool,
    /// The most urgent stop that was asked for and not yet taken.
    stop: Option<Stop>,
    log_level: LogLevel,
}

impl Link {
    pub(crate) fn new(fd: OwnedFd, mut poller: Poller) -> Result<Self, InitError> {
        let flags = fcntl(&fd, FcntlArg::F_GETFL).map_err(InitError::Stream)?;
        let flags = OFlag::from_bits_retain(flags) | OFlag::O_NONBLOCK;
        fcntl(&fd, FcntlArg::F_SETFL(flags)).map_err(InitError::Stream)?;
        poller.add(&fd, Source::Stream)?;
        alarm::use_stream(&fd);
        Ok(Self {
            fd,
            poller,
            outbox: Outbox::new(),
            decoder: Decoder::of_host(),
            connected: false,
            stop: None,
            log_level: LogLevel::Info,
        })
    }

    pub(crate) fn poller(&mut self) -> &mut Poller {
        &mut self.poller
    }

    /// Takes in what the host has said elsewhere, before anything that comes by the stream.
    pub(crate) fn take_in(&mut self, mut words: &[u8]) {
        while !words.is_empty() {
            let space = self.decoder.space();
            let count = space.len().min(words.len());
            let (first, rest) = words.split_at(count);
            space[..count].copy_from_slice(first);
            self.decoder.filled(count);
            words = rest;
        }
    }

    /// Greets the host and receives its orders.
    pub(crate) fn greet(&mut self, kernel_release: &str) -> Result<Orders, InitError> {
        self.queue(&GuestMessage::Hello {
            boot_nanoseconds: clock::since_boot(),
            kernel_release,
        })?;
        let out_of_turn = |expected, message: HostMessage| {
            let name = message.name();
            InitError::OutOfTurn(Reason(format!("it sent {name} where {expected} was due")))
        };
        match self.wait_for_message()? {
            HostMessage::Hello => {}
            other => return Err(out_of_turn("a hello", other)),
        }
        match self.wait_for_message()? {
            HostMessage::Orders(orders) => {
                self.log_level = orders.log_level;
                Ok(*orders)
            }
            other => Err(out_of_turn("orders", other)),
        }
    }

    fn wait_for_message(&mut self) -> Result<HostMessage, InitError> {
        loop {
            self.flush()?;
            if let Some(message) = self.receive()? {
                return Ok(message);
            }
            self.poller.wait(true)?;
        }
    }

    /// Sends a message behind what waits, and waits until the stream has taken everything.
    pub(crate) fn send(&mut self, message: &GuestMessage<'_>) -> Result<(), InitError> {
        self.queue(message)?;
        self.finish_sending()
    }

    /// Puts a message behind what waits.
    pub(crate) fn queue(&mut self, message: &GuestMessage<'_>) -> Result<(), InitError> {
        self.outbox.push(&message.encode()?);
        self.flush()
    }

    /// Waits until the stream has taken everything. The host's stops are taken in meanwhile.
    pub(crate) fn finish_sending(&mut self) -> Result<(), InitError> {
        loop {
            self.flush()?;
            if self.outbox.is_empty() {
                return Ok(());
            }
            self.poller.wait(true)?;
            self.listen()?;
        }
    }

    /// Sends the last message, whatever the host says meanwhile.
    pub(crate) fn send_last(&mut self, message: &GuestMessage<'_>) -> Result<(), InitError> {
        self.queue(message)?;
        while !self.is_idle() && !self.is_hung_up() {
            self.poller.wait(true)?;
            self.flush()?;
        }
        Ok(())
    }

    /// Waits until the host hangs up, so that nothing that is still on its way to it is lost.
    pub(crate) fn wait_for_hangup(&mut self) {
        while !self.is_hung_up() && self.poller.wait(true).is_ok() {}
    }

    /// Throws away what the host has sent, and says whether it has hung up.
    fn is_hung_up(&mut self) -> bool {
        while self.poller.is_readable(Source::Stream) {
            match nix::unistd::read(&self.fd, &mut [0; 1024]) {
                Ok(0) if !self.connected => self.poller.drained(Source::Stream),
                Ok(0) => return true,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => self.poller.drained(Source::Stream),
                Err(_) => return true,
            }
        }
        false
    }

    /// Sends a line of the log, if the host wants lines of its importance.
    pub(crate) fn log(&mut self, level: LogLevel, text: String) -> Result<(), InitError> {
        if level < self.log_level {
            return Ok(());
        }
        let text = clip(text, TEXT_LIMIT);
        self.queue(&GuestMessage::Log { level, text: &text })
    }

    /// Gives the stream as much of what waits as it takes now.
    pub(crate) fn flush(&mut self) -> Result<(), InitError> {
        while !self.outbox.is_empty() && self.poller.is_writable() {
            match nix::unistd::write(&self.fd, self.outbox.unsent()) {
                Ok(count) => {
                    self.connected = true;
                    self.outbox.advance(count);
                    alarm::stream_is_between_frames(!self.outbox.is_begun());
                }
                Err(Errno::EAGAIN) => self.poller.filled(),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(gone_or_broken(error)),
            }
        }
        Ok(())
    }

    /// Whether a data frame can be made.
    pub(crate) fn is_idle(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Where the payload of the next data frame goes, when nothing waits to be sent.
    pub(crate) fn data_space(&mut self) -> Option<&mut [u8]> {
        self.outbox.data_space()
    }

    /// Sends the first `length` bytes of [`Link::data_space`] as a data frame of `kind`, as far as
    /// the stream takes it now.
    pub(crate) fn send_data(&mut self, kind: u8, length: usize) -> Result<(), InitError> {
        self.outbox.commit_data(kind, length);
        self.flush()
    }

    /// Takes in what the host has sent since: stops, which [`Link::take_stop`] gives out.
    pub(crate) fn listen(&mut self) -> Result<(), InitError> {
        while let Some(message) = self.receive()? {
            match message {
                HostMessage::Stop(stop) => {
                    let sooner = self.stop.map_or(u64::MAX, |stop| stop.grace_milliseconds);
                    self.stop = Some(Stop {
                        grace_milliseconds: stop.grace_milliseconds.min(sooner),
                    });
                }
                other => {
                    let name = other.name();
                    return Err(InitError::OutOfTurn(Reason(format!(
                        "it sent {name} after its orders"
                    ))));
                }
            }
        }
        Ok(())
    }

    pub(crate) fn take_stop(&mut self) -> Option<Stop> {
        self.stop.take()
    }

    /// The next message, if there is one already.
    fn receive(&mut self) -> Result<Option<HostMessage>, InitError> {
        loop {
            if let Some(message) = self.decoder.next_from_host()? {
                return Ok(Some(message));
            }
            if !self.poller.is_readable(Source::Stream) {
                return Ok(None);
            }
            match nix::unistd::read(&self.fd, self.decoder.space()) {
                Ok(0) if !self.connected => self.poller.drained(Source::Stream),
                Ok(0) => {
                    let reason = match self.decoder.finish() {
                        Ok(()) => "it closed the stream".to_owned(),
                        Err(error) => error.to_string(),
                    };
                    return Err(InitError::HostGone(Reason(reason)));
                }
                Ok(count) => {
                    self.connected = true;
                    self.decoder.filled(count);
                }
                Err(Errno::EAGAIN) => self.poller.drained(Source::Stream),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(gone_or_broken(error)),
            }
        }
    }
}

/// Errors of a stream whose other end was closed, and all others.
fn gone_or_broken(error: Errno) -> InitError {
    match error {
        // ENODEV: the port was unplugged.
        Errno::EPIPE | Errno::ECONNRESET | Errno::ENODEV => {
            InitError::HostGone(Reason(format!("the stream is closed ({error})")))
        }
        error => InitError::Stream(error),
    }
}
