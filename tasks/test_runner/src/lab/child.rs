//! QEMU as a child process that can not outlive the harness.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::Signal;

use super::plan::PORT_FD;

/// Starts QEMU with its end of the port. It dies with this thread, however that ends.
///
/// # Errors
///
/// When it can not be started.
pub(crate) fn spawn(mut command: Command, port: OwnedFd) -> anyhow::Result<Child> {
    command
        .stdin(Stdio::null())
        // Ctrl-C at a terminal goes to the whole process group: it is for the harness, and may be
        // for the command in the lab.
        .process_group(0)
        .fd_mappings(vec![FdMapping {
            parent_fd: port,
            child_fd: PORT_FD,
        }])
        .context("cannot prepare QEMU's descriptors")?;
    die_with_this_thread(&mut command);
    command.spawn().context("cannot start QEMU")
}

#[expect(
    unsafe_code,
    reason = "only code between fork and exec can ask for a parent's death signal"
)]
fn die_with_this_thread(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above: then no signal comes.
        if nix::unistd::getppid() == parent {
            Ok(())
        } else {
            Err(nix::errno::Errno::ESRCH.into())
        }
    };
    // SAFETY: prctl and getppid are async-signal-safe, and the closure allocates nothing: an error
    // is a plain error number.
    unsafe { command.pre_exec(ask) };
}
