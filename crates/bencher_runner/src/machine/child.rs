//! A machine as a child process.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};

use bencher_output_protocol::Root;
use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use super::MachineError;
use super::console::{Console, Tail};
use super::huge_pages::Promise;
use crate::cgroup::{Cgroup, CpuTime};
use crate::counters::kvm_exits;
use crate::cpus::{Placement, PlacementError, child_of, vcpu_threads};
use crate::jail::{Cell, JailError, Report};

/// A running machine. Dropped, it is killed.
pub struct Machine {
    child: Child,
    connection: Connection,
    /// What the guest's kernel writes, and what the VMM writes about itself.
    guest_console: Console,
    vmm_console: Console,
    root: Root,
    has_orders: bool,
    jail: Option<Jailing>,
    /// Where it runs if it is in no jail.
    placement: Option<Placement>,
    /// Removed once everything in it has ended.
    cgroup: Option<Cgroup>,
}

/// The stream to the guest's init, or how it comes about.
pub(crate) enum Connection {
    /// It is there.
    Ready(UnixStream),
    /// It will be.
    Pending(Pin<Box<dyn Future<Output = Result<UnixStream, MachineError>> + Send>>),
}

/// What a machine in a jail leaves to be looked at, and to be cleaned up.
#[derive(Debug)]
struct Jailing {
    cell: Cell,
    report: Option<Report>,
    /// Promised for as long as the guest may still take some.
    _huge_pages: Option<Promise>,
}

/// What a machine is started from.
pub(crate) struct Launch {
    pub(crate) command: std::process::Command,
    /// What the child has open at the numbers 3, 4, …
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) connection: Connection,
    /// Where the guest finds its root filesystem.
    pub(crate) root: Root,
    /// A cgroup that is the child's to use.
    pub(crate) cgroup: Option<Cgroup>,
    /// Where the child runs, unless it is a jailer, whose cell knows.
    pub(crate) placement: Option<Placement>,
}

/// What a VMM in a jail is started from.
pub(crate) struct JailedLaunch<'a> {
    pub(crate) cell: Cell,
    /// The program and its arguments, as the jail has them.
    pub(crate) program: &'a Path,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) vcpus: u8,
    /// What the VMM has open at the numbers 3, 4, …
    pub(crate) descriptors: Vec<OwnedFd>,
    pub(crate) connection: Connection,
    pub(crate) root: Root,
    /// The huge pages that the guest's memory takes, if it takes any.
    pub(crate) huge_pages: Option<Promise>,
}

/// The first number of the descriptors that a child is given.
const FIRST: i32 = 3;

/// How a machine ended.
#[derive(Debug)]
pub struct Ended {
    /// How its process ended.
    pub status: ExitStatus,
    /// The guest's console.
    pub guest_console: Tail,
    /// What the VMM said of itself.
    pub vmm_console: Tail,
    /// What its jailer failed at, if it did.
    pub jail_error: Option<JailError>,
    /// Whether it was ended because it took more of the host's memory than it may.
    pub out_of_memory: bool,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Machine")
            .field("child", &self.child)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// Starts a VMM in its jail.
    pub(crate) fn spawn_jailed(launch: JailedLaunch<'_>) -> Result<Self, MachineError> {
        let JailedLaunch {
            cell,
            program,
            arguments,
            vcpus,
            mut descriptors,
            connection,
            root,
            huge_pages,
        } = launch;
        let next = (FIRST..).nth(descriptors.len()).unwrap_or(FIRST);
        let jailed = cell.command(program, arguments, vcpus, next)?;
        descriptors.extend(jailed.descriptors);
        let mut machine = Self::spawn(Launch {
            command: jailed.command,
            descriptors,
            connection,
            root,
            cgroup: None,
            placement: None,
        })?;
        machine.jail = Some(Jailing {
            cell,
            report: jailed.report,
            _huge_pages: huge_pages,
        });
        Ok(machine)
    }

    /// Starts a process. It is killed when this thread ends, however it ends.
    pub(crate) fn spawn(launch: Launch) -> Result<Self, MachineError> {
        let Launch {
            mut command,
            descriptors,
            connection,
            root,
            cgroup,
            placement,
        } = launch;
        let program = Path::new(command.get_program()).to_owned();
        let mappings = (FIRST..)
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
        crate::process::die_with_this_thread(&mut command);
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
            connection,
            root,
            has_orders: false,
            jail: None,
            placement,
            cgroup,
        })
    }

    /// The same, of which init has its orders already.
    #[must_use]
    pub(crate) fn with_orders(self) -> Self {
        Self {
            has_orders: true,
            ..self
        }
    }

    /// Whether init has its orders already, so that nothing but stops is to be sent to it.
    pub fn has_orders(&self) -> bool {
        self.has_orders
    }

    /// Where the guest finds its root filesystem.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Waits until there is a stream to the guest. Safe to cancel and to call again.
    ///
    /// # Errors
    ///
    /// When the VMM does not do what it is told, or ends.
    pub async fn connect(&mut self) -> Result<(), MachineError> {
        if let Connection::Pending(pending) = &mut self.connection {
            let stream = tokio::select! {
                stream = pending => stream?,
                _ended = self.child.wait() => return Err(MachineError::VmmGone),
            };
            self.connection = Connection::Ready(stream);
        }
        Ok(())
    }

    /// Moves its threads to where they belong. The vCPUs run by then, and nothing of the command.
    pub(crate) fn place(&self) -> Result<(), PlacementError> {
        let Some(jail) = &self.jail else {
            return match (&self.placement, self.child.id()) {
                (Some(placement), Some(init)) => placement.place_init(init),
                _ => Ok(()),
            };
        };
        let Some(placement) = jail.cell.placement() else {
            return Ok(());
        };
        if let Some(vmm) = self.vmm()? {
            placement.place_vmm(vmm)?;
            placement.place_kernel_threads(vmm);
        }
        Ok(())
    }

    /// The VMM's process; `None` without a VM, and when it has ended.
    fn vmm(&self) -> Result<Option<u32>, PlacementError> {
        match (&self.jail, self.child.id()) {
            (Some(jail), Some(jailer)) if jail.cell.is_watched() => child_of(jailer).map(Some),
            (Some(_), vmm) => Ok(vmm),
            (None, _) => Ok(None),
        }
    }

    /// The threads that execute the guest; without a VM that of init, who will start the command.
    pub(crate) fn executing_threads(&self) -> Result<Vec<u32>, PlacementError> {
        if let Some(vmm) = self.vmm()? {
            return vcpu_threads(vmm);
        }
        let has_ended = || PlacementError::Process(std::io::ErrorKind::NotFound.into());
        Ok(vec![self.child.id().ok_or_else(has_ended)?])
    }

    /// How often the vCPUs have left their guest so far, where KVM tells.
    pub(crate) fn vm_exits(&self) -> Option<u64> {
        kvm_exits::of(self.vmm().ok()??)
    }

    /// The stream to the guest's init, once it is connected.
    pub fn stream(&self) -> Option<&UnixStream> {
        match &self.connection {
            Connection::Ready(stream) => Some(stream),
            Connection::Pending(_) => None,
        }
    }

    /// The CPU time that the machine's processes have taken on the host, if the host tells.
    pub(crate) fn cpu_time(&self) -> Option<CpuTime> {
        match &self.jail {
            Some(jail) => jail.cell.cpu_time(),
            None => self.cgroup.as_ref()?.cpu_time(),
        }
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
        let Some(id) = self.child.id().and_then(|id| i32::try_from(id).ok()) else {
            return;
        };
        let is_watched = self
            .jail
            .as_ref()
            .is_some_and(|jail| jail.cell.is_watched());
        // An error means that it has ended by itself, which is what is wanted.
        let _already_ended = if is_watched {
            // The jailer kills the VMM, and ends when that has gone.
            kill(Pid::from_raw(id), Signal::SIGTERM)
        } else {
            killpg(Pid::from_raw(id), Signal::SIGKILL)
        };
    }

    /// Ends the machine without the help of its jailer, which may be stuck: its end is the VMM's.
    pub fn abandon(&mut self) {
        // An error means that it has ended by itself, which is what is wanted.
        let _already_ended = self.child.start_kill();
        self.kill();
    }

    /// Ends the machine at once and returns what is left of it.
    ///
    /// # Errors
    ///
    /// Only when the kernel has lost the child.
    pub async fn finish(mut self) -> std::io::Result<Ended> {
        self.kill();
        let status = self.child.wait().await?;
        let ended = Ended {
            status,
            guest_console: self.guest_console.finish().await,
            vmm_console: self.vmm_console.finish().await,
            jail_error: self
                .jail
                .as_mut()
                .and_then(|jail| jail.report.take())
                .and_then(Report::read),
            out_of_memory: self
                .jail
                .as_ref()
                .is_some_and(|jail| jail.cell.ran_out_of_memory()),
        };
        Ok(ended)
    }
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
