//! The user's wish to stop.

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::RunError;

/// The signals by which a user stops a run.
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
    pub fn catch() -> Result<Self, RunError> {
        let stream = |kind| {
            signal(kind).map_err(|source| RunError::Io {
                action: "handle signals",
                source,
            })
        };
        Ok(Self {
            interrupt: stream(SignalKind::interrupt())?,
            terminate: stream(SignalKind::terminate())?,
            hangup: stream(SignalKind::hangup())?,
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
