//! The VMM's process, born in its cgroup.
//!
//! To move a process from one cgroup to another the kernel waits for a grace period, ten
//! milliseconds and more; to start one there costs nothing (`CLONE_INTO_CGROUP`, Linux 5.7).

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use nix::unistd::{ForkResult, Pid, fork};

use super::step::StepError;

/// From `linux/sched.h`; the C library's headers give it a type that is too small for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Makes a child of this process, which has no other threads, in the `cgroup`.
pub(super) fn bear(cgroup: Option<&Path>) -> Result<ForkResult, StepError> {
    if let Some(cgroup) = cgroup {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = open(cgroup, flags, Mode::empty());
        match folder.and_then(|folder| fork_into(&folder)) {
            Ok(forked) => return Ok(forked),
            // An old kernel, or a seccomp filter that does not know the call: this process enters,
            // and the child inherits that.
            Err(_) => enter(cgroup)?,
        }
    }
    #[expect(unsafe_code, reason = "there is no other way to enter a pid namespace")]
    // SAFETY: this process has no other threads, so the child may do what it likes.
    unsafe { fork() }.map_err(StepError::Fork)
}

/// Moves this process to the `cgroup`.
pub(super) fn enter(cgroup: &Path) -> Result<(), StepError> {
    let processes = cgroup.join("cgroup.procs");
    std::fs::write(&processes, "0").map_err(|source| StepError::Cgroup {
        path: processes,
        source,
    })
}

#[expect(unsafe_code, reason = "no library has this call")]
fn fork_into(cgroup: &OwnedFd) -> nix::Result<ForkResult> {
    let number = |value: i32| u64::try_from(value).map_err(|_| Errno::EBADF);
    // SAFETY: `clone_args` is plain data for which all zeroes is a valid value: no stack and no
    // places for ids are given.
    let mut arguments: nix::libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = number(nix::libc::SIGCHLD)?;
    arguments.cgroup = number(cgroup.as_raw_fd())?;
    // SAFETY: without CLONE_VM and a stack this is a fork: the child goes on with a copy of all
    // memory. This process has no other threads, so no lock can be held by one that the child
    // lacks.
    let pid = Errno::result(unsafe {
        nix::libc::syscall(
            nix::libc::SYS_clone3,
            &raw const arguments,
            size_of::<nix::libc::clone_args>(),
        )
    })?;
    Ok(match i32::try_from(pid).map_err(|_| Errno::ERANGE)? {
        0 => ForkResult::Child,
        pid => ForkResult::Parent {
            child: Pid::from_raw(pid),
        },
    })
}
