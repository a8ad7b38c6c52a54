//! No VM: the command runs on the host's own kernel, in namespaces that init makes.
//!
//! The same `bencher_init` does the work, so users, measures, outputs and stop orders are the same
//! as in a VM. As root the same ext4 image is mounted through a loop device, in a mount namespace
//! of init's own; without root init works in a user namespace over an extracted folder. Either way
//! everything is gone when init is.

use std::ffi::CString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use bencher_output_protocol::{Orders, Root};
use nix::sys::memfd::{MFdFlags, memfd_create};

use super::child::{Connection, Launch, Machine, stream_pair};
use super::loop_device::LoopDevice;
use super::{
    Accelerator, ClockKind, Description, MachineError, RootFilesystem, Sandbox, SandboxKind, Seat,
    Transport,
};
use crate::cgroup::{Cgroup, CgroupLimits};
use crate::initramfs::INIT;
use crate::jail::JailError;

/// The sandbox `none`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Host;

/// Descriptors that init has open.
const STREAM_FD: u8 = 3;
const PROGRAM_FD: u8 = 4;

impl Host {
    /// Whether this process may mount an image; else it needs a folder.
    pub fn can_mount() -> bool {
        nix::unistd::geteuid().is_root()
    }
}

impl Sandbox for Host {
    fn description(&self) -> Description {
        Description {
            sandbox: SandboxKind::None,
            accelerator: Accelerator::None,
            transport: Transport::Local,
            root_device: None,
            vmm: None,
            clock: ClockKind::Wall,
            virtual_clock: None,
        }
    }

    fn maps_root_privately(&self) -> bool {
        false
    }

    fn boot(
        &self,
        root: &RootFilesystem,
        _orders: &Orders,
        seat: &Seat<'_>,
    ) -> Result<Machine, MachineError> {
        let (root, loop_device) = match root {
            RootFilesystem::Folder(path) => (
                Root::Directory {
                    path: path.as_os_str().as_bytes().to_vec(),
                },
                None,
            ),
            RootFilesystem::Copy(path) | RootFilesystem::Shared(path) => {
                let failed = |source| MachineError::Loop {
                    path: path.clone(),
                    source,
                };
                let image = File::options()
                    .read(true)
                    .write(true)
                    .open(path)
                    .map_err(failed)?;
                let device = LoopDevice::attach(image.as_fd()).map_err(failed)?;
                let root = Root::Disk {
                    device: device.path.to_string_lossy().into_owned(),
                };
                (root, Some(device))
            }
        };
        let (ours, theirs) = stream_pair()?;
        let mut command = Command::new(format!("/proc/self/fd/{PROGRAM_FD}"));
        command
            .args(["host", "--stream-fd", &STREAM_FD.to_string()])
            .env_clear()
            .current_dir("/");
        // It only counts: limits are for machines.
        let no_limits = CgroupLimits {
            memory_bytes: None,
            pids: None,
        };
        let within = seat.placement.and_then(|own| own.cgroup.as_deref());
        let cgroup = Cgroup::create(seat.name, no_limits, within).map_err(JailError::Cgroup)?;
        if let Some(cgroup) = &cgroup {
            command.arg("--cgroup").arg(cgroup.path());
        }
        if let Some(placement) = seat.placement {
            let cpus = placement.benchmark.to_string();
            command.args(["--cpus", &cpus]);
        }
        let mut descriptors = vec![theirs, program()?];
        // Init holds the device open from its first moment, so it stays attached until init has
        // mounted it and is detached when init has gone.
        descriptors.extend(loop_device.map(LoopDevice::into_descriptor));
        Machine::spawn(Launch {
            command,
            descriptors,
            connection: Connection::Ready(ours),
            root,
            cgroup,
            placement: seat.placement.cloned(),
        })
    }
}

/// Init as an executable that is on no filesystem: the cache may be mounted `noexec`.
fn program() -> Result<OwnedFd, MachineError> {
    let failed = |source| MachineError::Prepare {
        what: "init",
        source,
    };
    let name = CString::from(c"bencher_init");
    let program = memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)
        .map_err(|errno| failed(errno.into()))?;
    let mut file = File::from(program);
    file.write_all(INIT).map_err(failed)?;
    Ok(OwnedFd::from(file))
}
