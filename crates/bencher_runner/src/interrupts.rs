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

#[cfg(test)]
mod tests {
    use std::future::{Future as _, poll_fn};
    use std::os::unix::process::ExitStatusExt as _;
    use std::pin::pin;
    use std::process::{Command, ExitStatus};
    use std::task::Poll;

    use nix::sys::signal::raise;

    use super::*;

    /// What a process does that catches signals; signals are a whole process's.
    const CHILD: &str = "BENCHER_TEST_INTERRUPTS";

    /// What it ends with where `release` says that a signal has come, and that none has.
    const CAME: i32 = 10;
    const NONE_CAME: i32 = 11;

    /// This test as a process of its own, that does `what` with `signal`.
    fn process(what: &str, signal: Signal) -> ExitStatus {
        let own = "interrupts::tests::what_was_caught_is_given_back";
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", own])
            .env(CHILD, format!("{what} {signal}"))
            .output()
            .unwrap()
            .status
    }

    async fn be_the_process(what: &str, signal: Signal) -> i32 {
        let mut interrupts = Interrupts::catch().unwrap();
        if what == "before" {
            raise(signal).unwrap();
        }
        if what == "meanwhile" {
            let mut releasing = pin!(interrupts.release());
            let begun = poll_fn(|context| Poll::Ready(releasing.as_mut().poll(context))).await;
            assert!(begun.is_pending());
            raise(signal).unwrap();
            return 0;
        }
        let has_come = interrupts.release().await.unwrap();
        if what == "after" {
            raise(signal).unwrap();
            return 0;
        }
        if has_come { CAME } else { NONE_CAME }
    }

    /// A signal is either told of or ends the process, whenever it comes.
    #[test]
    fn what_was_caught_is_given_back() {
        if let Ok(child) = std::env::var(CHILD) {
            let (what, signal) = child.split_once(' ').unwrap();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            let code = runtime.block_on(be_the_process(what, signal.parse().unwrap()));
            std::process::exit(code);
        }
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let code = |what| process(what, signal).code();
            assert_eq!(code("before"), Some(CAME), "{signal}");
            assert_eq!(code("never"), Some(NONE_CAME), "{signal}");
            for what in ["meanwhile", "after"] {
                let ended_by = process(what, signal).signal();
                assert_eq!(ended_by, Some(signal as i32), "{signal} {what}");
            }
        }
    }
}
