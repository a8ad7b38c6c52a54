//! The user's wish to stop.

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The signals by which a user stops what the runner does.
#[derive(Debug)]
pub struct Interrupts {
    interrupt: Stream,
    terminate: Stream,
    hangup: Stream,
}

impl Interrupts {
    /// From now on these signals come here instead of ending the process.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a handler.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next signal. Safe to cancel and to call again.
    pub async fn next(&mut self) -> Signal {
        // A stream of signals has no end.
        tokio::select! {
            _ = self.interrupt.recv() => Signal::SIGINT,
            _ = self.terminate.recv() => Signal::SIGTERM,
            _ = self.hangup.recv() => Signal::SIGHUP,
        }
    }
}
