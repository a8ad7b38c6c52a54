//! The user's wish to stop.

use nix::sys::signal::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

/// How long a signal that has come may take until it is known.
const PASSED_ON: std::time::Duration = std::time::Duration::from_millis(50);

/// The wishes by which a user stops what the runner does.
#[derive(Debug)]
pub struct Interrupts(Source);

#[derive(Debug)]
enum Source {
    Signals {
        interrupt: Stream,
        terminate: Stream,
        hangup: Stream,
    },
    Orders(UnboundedReceiver<Signal>),
}

impl Interrupts {
    /// From now on these signals come here instead of ending the process.
    ///
    /// # Errors
    ///
    /// When the kernel refuses a handler.
    pub fn catch() -> std::io::Result<Self> {
        Ok(Self(Source::Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        }))
    }

    /// What is sent here takes the place of signals, which someone else receives.
    pub(crate) fn ordered(orders: UnboundedReceiver<Signal>) -> Self {
        Self(Source::Orders(orders))
    }

    /// From now on these signals end the process again, as they would a process that has just begun;
    /// whether one has come until now.
    ///
    /// # Errors
    ///
    /// When the kernel refuses that.
    #[expect(
        unsafe_code,
        reason = "a signal's disposition is set by an unsafe call alone"
    )]
    pub(crate) async fn release(&mut self) -> std::io::Result<bool> {
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            // SAFETY: the default disposition runs no code of this process.
            unsafe { nix::sys::signal::signal(signal, nix::sys::signal::SigHandler::SigDfl)? };
        }
        // What has come is passed on by the runtime, which has to run for that.
        let come = tokio::time::timeout(PASSED_ON, self.next()).await;
        Ok(come.is_ok())
    }

    /// The next signal. Safe to cancel and to call again.
    pub async fn next(&mut self) -> Signal {
        match &mut self.0 {
            // A stream of signals has no end.
            Source::Signals {
                interrupt,
                terminate,
                hangup,
            } => tokio::select! {
                _ = interrupt.recv() => Signal::SIGINT,
                _ = terminate.recv() => Signal::SIGTERM,
                _ = hangup.recv() => Signal::SIGHUP,
            },
            Source::Orders(orders) => match orders.recv().await {
                Some(signal) => signal,
                // Nobody is left who could order anything.
                None => std::future::pending().await,
            },
        }
    }
}
