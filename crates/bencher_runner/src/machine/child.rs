//! A machine as a child process.

use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};

use bencher_output_protocol::Root;
use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::MachineError;
use super::console::{Console, Tail};

/// A running machine. Dropped, it is killed.
#[derive(Debug)]
pub struct Machine {
    child: Child,
    stream: UnixStream,
    /// What the guest's kernel writes, and what the VMM writes about itself.
    guest_console: Console,
    vmm_console: Console,
    root: Root,
}

/// How a machine ended.
#[derive(Debug)]
pub struct Ended {
    /// How its process ended.
    pub status: ExitStatus,
    /// The guest's console.
    pub guest_console: Tail,
    /// What the VMM said of itself.
    pub vmm_console: Tail,
}

impl Machine {
    /// Starts `command` with one end of `stream` and `descriptors` at the numbers 3, 4, …
    ///
    /// The child is killed when this thread ends, however it ends.
    pub(crate) fn spawn(
        mut command: std::process::Command,
        stream: UnixStream,
        descriptors: Vec<OwnedFd>,
        root: Root,
    ) -> Result<Self, MachineError> {
        let program = Path::new(command.get_program()).to_owned();
        let mappings = (3..)
            .zip(descriptors)
            .map(|(child_fd, parent_fd)| FdMapping {
                parent_fd,
                child_fd,
            })
            .collect();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C at a terminal goes to the whole process group: it is for the runner alone,
            // who stops the command in the guest first.
            .process_group(0)
            .fd_mappings(mappings)
            .map_err(|error| MachineError::Prepare {
                what: "the descriptors",
                source: std::io::Error::other(error),
            })?;
        die_with_this_thread(&mut command);
        let mut child = Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| MachineError::Spawn { program, source })?;
        let pipe_error = || MachineError::Prepare {
            what: "the console",
            source: std::io::Error::other("the child has no pipe"),
        };
        Ok(Self {
            guest_console: Console::follow(child.stdout.take().ok_or_else(pipe_error)?),
            vmm_console: Console::follow(child.stderr.take().ok_or_else(pipe_error)?),
            child,
            stream,
            root,
        })
    }

    /// Where the guest finds its root filesystem.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The stream to the guest's init.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Waits until the machine's process has ended. Safe to cancel and to call again.
    ///
    /// # Errors
    ///
    /// Only when the kernel has lost the child.
    pub async fn wait(&mut self) -> std::io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// Ends the machine at once, whatever processes it consists of.
    pub fn kill(&mut self) {
        // Without an id it has been waited for, and its group may be somebody else's by now.
        if let Some(id) = self.child.id()
            && let Ok(id) = i32::try_from(id)
        {
            // An error means that it has ended by itself, which is what is wanted.
            let _already_ended = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }

    /// Ends the machine at once and returns what is left of it.
    ///
    /// # Errors
    ///
    /// Only when the kernel has lost the child.
    pub async fn finish(mut self) -> std::io::Result<Ended> {
        self.kill();
        let status = self.child.wait().await?;
        Ok(Ended {
            status,
            guest_console: self.guest_console.finish().await,
            vmm_console: self.vmm_console.finish().await,
        })
    }
}

#[expect(
    unsafe_code,
    reason = "only code between fork and exec can ask for a parent's death signal"
)]
fn die_with_this_thread(command: &mut std::process::Command) {
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

/// A connected pair: the runner's end for tokio, the machine's end as a descriptor.
pub(crate) fn stream_pair() -> Result<(UnixStream, OwnedFd), MachineError> {
    let failed = |source| MachineError::Prepare {
        what: "the stream",
        source,
    };
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().map_err(failed)?;
    ours.set_nonblocking(true).map_err(failed)?;
    let ours = UnixStream::from_std(ours).map_err(failed)?;
    Ok((ours, OwnedFd::from(theirs)))
}
