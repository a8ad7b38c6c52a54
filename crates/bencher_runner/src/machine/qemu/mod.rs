//! A microVM under QEMU.
//!
//! The machine is `microvm` with a virtio-blk root by default: measured on the project's machines
//! under TCG it reaches init in 1.4 s, where `q35` takes 2.1 s and `q35` with an NVDIMM 2.4 s,
//! more than a sparse copy of most images costs. The NVDIMM is there for when the copy is what
//! matters, or determinism: it maps the image privately and does no block I/O.

mod arguments;
mod version;

use std::fs::File;
use std::num::NonZeroU8;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::process::Command;

use bencher_output_protocol::Root;
use nix::sys::stat::fstat;
use serde::{Deserialize, Serialize};

pub use version::version as qemu_version;

use super::child::{Machine, stream_pair};
use super::kvm::{KvmState, kvm_state};
use super::{
    Description, MachineError, RootFilesystem, Sandbox, SandboxKind, Transport, TscAnchor,
};
use crate::initramfs::Initramfs;
use crate::kernel::Kernel;
use crate::paths::find_program;
use crate::units::ByteSize;

/// The name of the virtio-serial port between init and the runner.
pub(crate) const PORT: &str = "org.bencher.stream";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Accelerator {
    /// The processor, through KVM: times are those of the hardware.
    Kvm,
    /// QEMU's translator: times are those of an emulator and comparable only with its own.
    Tcg,
    /// The processor, with no virtual machine in between.
    None,
}

/// How the root filesystem is attached.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RootDevice {
    /// A virtio block device on a copy of the image.
    #[default]
    VirtioBlk,
    /// An NVDIMM that maps the image privately: no copy, and writes stay in the VMM's memory.
    Nvdimm,
}

impl RootDevice {
    /// The kernel modules that drive the devices of such a machine.
    pub fn drivers(self) -> &'static [&'static str] {
        match self {
            Self::VirtioBlk => &["virtio_mmio", "virtio_blk", "virtio_console"],
            Self::Nvdimm => &["virtio_pci", "virtio_console", "nfit", "nd_pmem"],
        }
    }
}

/// What the user may choose of a QEMU machine.
#[derive(Debug, Clone)]
pub struct QemuOptions {
    /// The program: a path, or a name looked up in `PATH`; `None` for `qemu-system-<arch>`.
    pub program: Option<PathBuf>,
    /// The accelerator; `None` for KVM where it is usable, else TCG.
    pub accelerator: Option<Accelerator>,
    /// How the root filesystem is attached.
    pub root_device: RootDevice,
    /// Virtual CPUs.
    pub vcpus: NonZeroU8,
    /// The guest's memory.
    pub memory: ByteSize,
    /// When the runner began, for the TSC's rate.
    pub tsc: TscAnchor,
}

/// The QEMU sandbox.
#[derive(Debug)]
pub struct Qemu {
    program: PathBuf,
    accelerator: Accelerator,
    options: QemuOptions,
    kernel: Kernel,
    initramfs: Initramfs,
}

impl Qemu {
    /// Finds the program and decides on the accelerator.
    ///
    /// # Errors
    ///
    /// When there is no QEMU, KVM was asked for but is not usable, or the architecture is not
    /// supported.
    pub fn new(
        options: QemuOptions,
        kernel: Kernel,
        initramfs: Initramfs,
    ) -> Result<Self, MachineError> {
        let program = Self::find(options.program.as_deref())?;
        let accelerator = match (options.accelerator, kvm_state()) {
            (None, KvmState::Usable)
            | (Some(Accelerator::Kvm), KvmState::Usable | KvmState::Doubtful(_)) => {
                Accelerator::Kvm
            }
            (Some(Accelerator::Kvm), KvmState::Unusable(reason)) => {
                return Err(MachineError::NoKvm { reason });
            }
            _ => Accelerator::Tcg,
        };
        Ok(Self {
            program,
            accelerator,
            options,
            kernel,
            initramfs,
        })
    }

    /// The QEMU program.
    ///
    /// # Errors
    ///
    /// [`MachineError::NoQemu`] and [`MachineError::Architecture`].
    pub fn find(program: Option<&std::path::Path>) -> Result<PathBuf, MachineError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(MachineError::Architecture {
                architecture: std::env::consts::ARCH,
            });
        }
        let program = program.map_or_else(
            || format!("qemu-system-{}", std::env::consts::ARCH),
            |program| program.to_string_lossy().into_owned(),
        );
        find_program(&program).ok_or(MachineError::NoQemu { program })
    }

    /// The guest's kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The guest's initramfs.
    pub fn initramfs(&self) -> &Initramfs {
        &self.initramfs
    }

    /// The arguments that [`Sandbox::boot`] would use for an image of `disk` bytes.
    pub fn command_line(&self, disk: u64) -> Vec<String> {
        let tsc_kilohertz = match self.accelerator {
            Accelerator::Tcg => self.options.tsc.kilohertz(),
            _ => None,
        };
        arguments::arguments(&arguments::Plan {
            accelerator: self.accelerator,
            root_device: self.options.root_device,
            vcpus: self.options.vcpus.get(),
            memory: self.options.memory,
            disk_bytes: disk,
            kernel: &self.kernel.image,
            initramfs: &self.initramfs.path,
            tsc_kilohertz,
        })
    }
}

impl Sandbox for Qemu {
    fn description(&self) -> Description {
        Description {
            sandbox: SandboxKind::Qemu,
            accelerator: self.accelerator,
            transport: Transport::Serial,
            root_device: Some(self.options.root_device),
            vmm: Some(self.program.clone()),
        }
    }

    fn maps_root_privately(&self) -> bool {
        self.options.root_device == RootDevice::Nvdimm
    }

    fn boot(&self, root: &RootFilesystem) -> Result<Machine, MachineError> {
        let RootFilesystem::Image { path, file } = root else {
            return Err(MachineError::RootKind {
                wanted: "an ext4 image",
            });
        };
        let open = |source| MachineError::Open {
            path: path.clone(),
            source,
        };
        let disk = file.try_clone().map_err(open)?;
        let size = fstat(file.as_fd())
            .map_err(|errno| open(errno.into()))?
            .st_size;
        let (ours, theirs) = stream_pair()?;
        let mut command = Command::new(&self.program);
        command.args(self.command_line(size.unsigned_abs()));
        let device = match self.options.root_device {
            RootDevice::VirtioBlk => "/dev/vda",
            RootDevice::Nvdimm => "/dev/pmem0",
        };
        Machine::spawn(
            command,
            ours,
            vec![theirs, disk],
            Root::Disk {
                device: device.to_owned(),
            },
        )
    }
}

/// Opens an image for a machine. One that is mapped privately is not written to.
pub(crate) fn open_image(path: PathBuf, writable: bool) -> Result<RootFilesystem, MachineError> {
    let file = File::options()
        .read(true)
        .write(writable)
        .open(&path)
        .map_err(|source| MachineError::Open {
            path: path.clone(),
            source,
        })?;
    Ok(RootFilesystem::Image {
        path,
        file: OwnedFd::from(file),
    })
}
