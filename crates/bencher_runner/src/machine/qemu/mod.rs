//! A microVM under QEMU.
//!
//! The machine is `microvm` with a virtio-blk root by default: measured on the project's machines
//! under TCG it reaches init in 1.4 s, where `q35` takes 2.1 s and `q35` with an NVDIMM 2.4 s,
//! more than a sparse copy of most images costs. The NVDIMM is there for when the copy is what
//! matters, or determinism: it maps the image privately and does no block I/O.

mod arguments;
mod data;
mod deterministic;
mod locked_memory;
mod version;

use std::ffi::OsString;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bencher_output_protocol::{Orders, Root};
use serde::{Deserialize, Serialize};

pub use version::version as qemu_version;

use super::child::{Connection, JailedLaunch, Machine, stream_pair};
use super::huge_pages::HugePages;
use super::kvm::{KvmState, kvm_state};
use super::{
    Clock, Description, MachineError, RootFilesystem, Sandbox, SandboxKind, Seat, Transport,
    TscAnchor,
};
use crate::initramfs::Initramfs;
use crate::jail::{Cell, Jail};
use crate::kernel::Kernel;
use crate::network::GuestNetwork;
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
    /// Huge pages for it, if it is to have any.
    pub huge_pages: Option<HugePages>,
    /// Whether the guest touches all of it before the command starts.
    pub prefault: bool,
    /// Whether all of the VMM's memory stays in the host's: none of it is swapped.
    pub lock_memory: bool,
    /// The network that each guest is given, if it is given one.
    pub network: Option<Arc<GuestNetwork>>,
    /// What the guest's time is. A virtual clock needs TCG, an NVDIMM and a single virtual CPU.
    pub clock: Clock,
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
    jail: Arc<Jail>,
    /// Whether it can map a file privately that it can only read.
    maps_read_only: bool,
}

/// Where a QEMU finds its files.
#[derive(Debug)]
struct Places<'a> {
    kernel: &'a Path,
    initramfs: &'a Path,
    image: &'a Path,
    image_bytes: u64,
    is_shared: bool,
}

impl Qemu {
    /// Finds the program and decides on the accelerator.
    ///
    /// # Errors
    ///
    /// When there is no QEMU or it is too old, KVM was asked for but is not usable, or the
    /// architecture is not supported.
    pub fn new(
        options: QemuOptions,
        kernel: Kernel,
        initramfs: Initramfs,
        jail: Arc<Jail>,
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
        // Asking takes as long as a small run, so it is done only where the answer matters.
        let version = (options.root_device == RootDevice::Nvdimm)
            .then(|| version::version(&program))
            .flatten()
            .unwrap_or_default();
        if options.clock != Clock::Wall && !version::counts_instructions(&version) {
            return Err(MachineError::OldQemu { program, version });
        }
        let maps_read_only = version::maps_read_only(&version);
        Ok(Self {
            program,
            accelerator,
            options,
            kernel,
            initramfs,
            jail,
            maps_read_only,
        })
    }

    /// The QEMU program.
    ///
    /// # Errors
    ///
    /// [`MachineError::NoQemu`] and [`MachineError::Architecture`].
    pub fn find(program: Option<&Path>) -> Result<PathBuf, MachineError> {
        if !cfg!(target_arch = "x86_64") {
            return Err(MachineError::Architecture {
                architecture: std::env::consts::ARCH,
            });
        }
        let program = program.map_or_else(
            || format!("qemu-system-{}", std::env::consts::ARCH),
            |program| program.to_string_lossy().into_owned(),
        );
        // The jail has it where the host has it, by the one name that is no link.
        find_program(&program)
            .and_then(|path| path.canonicalize().ok())
            .ok_or(MachineError::NoQemu { program })
    }

    /// The guest's kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The guest's initramfs.
    pub fn initramfs(&self) -> &Initramfs {
        &self.initramfs
    }

    /// The network that each guest is given.
    pub fn network(&self) -> Option<&GuestNetwork> {
        self.options.network.as_deref()
    }

    /// The jail that it runs in.
    pub fn jail(&self) -> &Jail {
        &self.jail
    }

    fn command_line(&self, places: &Places<'_>) -> Vec<String> {
        let tsc_kilohertz = match (self.options.clock, self.accelerator) {
            (Clock::Virtual(_), _) => Some(deterministic::TSC_KILOHERTZ),
            (Clock::Wall, Accelerator::Tcg) => self.options.tsc.kilohertz(),
            (Clock::Wall, _) => None,
        };
        arguments::arguments(&arguments::Plan {
            accelerator: self.accelerator,
            root_device: self.options.root_device,
            vcpus: self.options.vcpus.get(),
            memory: self.options.memory,
            has_huge_pages: self.options.huge_pages.is_some(),
            prefault: self.options.prefault,
            lock_memory: self.options.lock_memory,
            disk: places.image,
            disk_bytes: places.image_bytes,
            disk_is_shared: places.is_shared,
            kernel: places.kernel,
            initramfs: places.initramfs,
            tsc_kilohertz,
            has_network: self.options.network.is_some(),
            clock: self.options.clock,
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
            clock: self.options.clock.kind(),
            virtual_clock: self.options.clock.rate().map(deterministic::description),
        }
    }

    fn maps_root_privately(&self) -> bool {
        self.options.root_device == RootDevice::Nvdimm && self.maps_read_only
    }

    fn boot(
        &self,
        root: &RootFilesystem,
        orders: &Orders,
        seat: &Seat<'_>,
    ) -> Result<Machine, MachineError> {
        let (RootFilesystem::Copy(path) | RootFilesystem::Shared(path)) = root else {
            return Err(MachineError::RootKind {
                wanted: "an ext4 image",
            });
        };
        let size = std::fs::metadata(path).map_err(|source| MachineError::Open {
            path: path.clone(),
            source,
        })?;
        let mut cell = self.cell(seat, size.len())?;
        cell.program(&self.program)?;
        for file in data::files(&self.program) {
            cell.keep(&file);
        }
        let device = match self.options.root_device {
            RootDevice::VirtioBlk => "/dev/vda",
            RootDevice::Nvdimm => "/dev/pmem0",
        };
        let device = Root::Disk {
            device: device.to_owned(),
        };
        let kernel = cell.read_only(&self.kernel.image, "/kernel");
        let initramfs = match self.options.clock {
            Clock::Wall => cell.read_only(&self.initramfs.path, "/initramfs"),
            Clock::Virtual(_) => {
                let mut orders = orders.clone();
                orders.root = device.clone();
                let own = deterministic::with_orders(&self.initramfs.path, &orders, seat.folder)?;
                cell.read_only(&own, "/initramfs")
            }
        };
        let is_shared = matches!(root, RootFilesystem::Shared(_));
        let image = if is_shared {
            cell.read_only(path, "/disk")
        } else {
            cell.writable(path, "/disk")?
        };
        if self.accelerator == Accelerator::Kvm {
            cell.device(Path::new("/dev/kvm"));
        }
        if let Some(network) = &self.options.network {
            cell.connect(network, seat.name)?;
        }
        let memory = self.options.memory;
        let huge_pages = self.options.huge_pages.as_ref();
        let huge_pages = huge_pages.map(|pages| pages.promise(memory)).transpose()?;
        if huge_pages.is_some() {
            cell.allow_files_of(memory.bytes());
        }
        let arguments = self.command_line(&Places {
            kernel: &kernel,
            initramfs: &initramfs,
            image: &image,
            image_bytes: size.len(),
            is_shared,
        });
        let (ours, theirs) = stream_pair()?;
        let machine = Machine::spawn_jailed(JailedLaunch {
            cell,
            program: &self.program,
            arguments: arguments.into_iter().map(OsString::from).collect(),
            vcpus: self.options.vcpus.get(),
            descriptors: vec![theirs],
            connection: Connection::Ready(ours),
            root: device,
            huge_pages,
        })?;
        Ok(match self.options.clock {
            Clock::Wall => machine,
            Clock::Virtual(_) => machine.with_orders(),
        })
    }
}

impl Qemu {
    fn cell(&self, seat: &Seat<'_>, disk_bytes: u64) -> Result<Cell, MachineError> {
        let emulator = match self.accelerator {
            Accelerator::Kvm => 0,
            // The code that TCG translates to: it takes as much as that if it can.
            Accelerator::Tcg | Accelerator::None => 1 << 30,
        };
        // What the guest writes to a disk that is mapped privately is the VMM's own memory.
        let disk = match self.options.root_device {
            RootDevice::VirtioBlk => 0,
            RootDevice::Nvdimm => disk_bytes,
        };
        let more = disk.saturating_add(emulator);
        let limits = super::cgroup_limits(self.options.memory, self.options.vcpus, more);
        let place = seat.placement;
        let mut cell = self.jail.cell(seat.folder, seat.name, limits, place)?;
        if self.options.lock_memory {
            locked_memory::check()?;
            cell.allow_locking();
        }
        Ok(cell)
    }
}
