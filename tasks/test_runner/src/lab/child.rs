//! QEMU as a child process that can not outlive the harness.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use command_fds::{CommandFdExt as _, FdMapping};

use super::plan::PORT_FD;
use crate::process::die_with_this_thread;

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
