//! Who ends with whom.
//!
//! ```text
//! runner ──► jailer ──► VMM (first process of its pid namespace)
//! ```
//!
//! The runner's end kills the jailer, and the jailer's end the VMM, by the kernel's death signal;
//! both checked for an end that came before it was asked for. `SIGTERM` to the jailer kills the
//! VMM and waits until it is gone: then nothing of the jail is left.

use std::os::fd::{AsFd as _, OwnedFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{SigSet, Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use rustix::process::{PidfdFlags, getpid, pidfd_open};

use super::step::StepError;

/// The signals that a jailer waits for, held back from its first moment on.
#[derive(Debug)]
pub(super) struct Signals {
    waited_for: SigSet,
    before: SigSet,
}

impl Signals {
    pub(super) fn hold_back() -> Result<Self, StepError> {
        let mut waited_for = SigSet::empty();
        waited_for.add(Signal::SIGTERM);
        waited_for.add(Signal::SIGCHLD);
        let before = waited_for
            .thread_swap_mask(nix::sys::signal::SigmaskHow::SIG_BLOCK)
            .map_err(StepError::Signals)?;
        Ok(Self { waited_for, before })
    }

    /// The VMM gets signals as any program does.
    pub(super) fn let_through(&self) -> Result<(), StepError> {
        self.before.thread_set_mask().map_err(StepError::Signals)
    }
}

/// A handle of this process, for its child to see whether it still lives.
pub(super) fn own_handle() -> Result<OwnedFd, StepError> {
    pidfd_open(getpid(), PidfdFlags::empty()).map_err(StepError::Handle)
}

/// Ends this process with its parent, of which `parent` is a handle. A change of user takes that
/// back, so it comes after.
pub(super) fn end_with(parent: &OwnedFd) -> Result<(), StepError> {
    set_pdeathsig(Signal::SIGKILL).map_err(StepError::DeathSignal)?;
    let mut ended = [PollFd::new(parent.as_fd(), PollFlags::POLLIN)];
    match poll(&mut ended, PollTimeout::ZERO) {
        Ok(0) => Ok(()),
        Ok(_) => Err(StepError::Orphan),
        Err(error) => Err(StepError::DeathSignal(error)),
    }
}

/// Waits for the VMM's end, or for the order to end it, and ends as it did.
pub(super) fn watch(vmm: Pid, signals: &Signals) -> Result<u8, StepError> {
    loop {
        let signal = signals.waited_for.wait().map_err(StepError::Wait)?;
        if signal == Signal::SIGTERM {
            match kill(vmm, Signal::SIGKILL) {
                // It has ended by itself, which is what is wanted.
                Ok(()) | Err(Errno::ESRCH) => {}
                Err(error) => return Err(StepError::Wait(error)),
            }
        }
        match waitpid(vmm, Some(WaitPidFlag::WNOHANG)).map_err(StepError::Wait)? {
            WaitStatus::Exited(_, code) => return Ok(u8::try_from(code).unwrap_or(u8::MAX)),
            WaitStatus::Signaled(_, signal, _) => {
                signals.let_through()?;
                // Whoever asks for the reason of the end sees the VMM's.
                let _ended = raise(signal);
                return Ok(128_u8.saturating_add(u8::try_from(signal as i32).unwrap_or(0)));
            }
            _ => {}
        }
    }
}
