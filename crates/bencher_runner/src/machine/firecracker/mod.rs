//! A microVM under Firecracker, the sandbox that this project exists for.
//!
//! ```text
//! runner                                   jail
//!   listens on sockets/vsock_52
//!   starts ───────────────────────────────► firecracker --api-sock /run/api.sock
//!   PUT /boot-source /drives/root … ──────► configures
//!   PUT /actions InstanceStart ───────────► boots
//!   accepts ◄───────────────────────────── /run/vsock_52 ◄── vsock port 52 ◄── bencher_init
//! ```
//!
//! The disk is a copy of the run's own that is thrown away with it, so it is attached with the
//! cache type `Unsafe`: a flush has nothing to protect, and the host's disk is noise. The engine is
//! `Sync`: `Async` (`io_uring`) moves the work to kernel threads that no cpuset of the runner's holds.

mod api;
mod config;
mod find;
mod sockets;

use std::ffi::OsString;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bencher_output_protocol::{Orders, Root};
use tokio::net::{UnixListener, UnixStream};

use super::child::{Connection, JailedLaunch, Machine};
use super::huge_pages::HugePages;
use super::kvm::{KvmState, kvm_state};
use super::{
    Accelerator, ClockKind, Description, MachineError, RootDevice, RootFilesystem, Sandbox,
    SandboxKind, Seat, Transport,
};
use crate::initramfs::Initramfs;
use crate::jail::Jail;
use crate::kernel::Kernel;
use crate::network::GuestNetwork;
use crate::units::ByteSize;
use api::Api;
/// The most vCPUs that Firecracker gives a guest (its `MAX_SUPPORTED_VCPUS`).
pub const MOST_VCPUS: u8 = 32;

pub use config::CpuTemplate;
use config::{Config, Files};
pub use find::version as firecracker_version;
use sockets::Sockets;

/// The vsock port that init connects to.
pub(crate) const PORT: u32 = 52;

/// The kernel modules that drive the devices of such a machine.
pub(crate) const DRIVERS: [&str; 4] = [
    "virtio_mmio",
    "vmw_vsock_virtio_transport",
    "virtio_blk",
    "virtio_rng",
];

/// What the user may choose of a Firecracker machine.
#[derive(Debug, Clone)]
pub struct FirecrackerOptions {
    /// Virtual CPUs.
    pub vcpus: NonZeroU8,
    /// The guest's memory.
    pub memory: ByteSize,
    /// Huge pages for it, if it is to have any.
    pub huge_pages: Option<HugePages>,
    /// Whether the guest touches all of it before the command starts.
    pub prefault: bool,
    /// What the guest sees of the processor; `None` for all of it.
    pub cpu_template: Option<CpuTemplate>,
    /// Whether the guest's kernel has a serial console, whose last lines errors show. It costs
    /// some of the boot.
    pub console: bool,
    /// The network that each guest is given, if it is given one.
    pub network: Option<Arc<GuestNetwork>>,
}

/// The Firecracker sandbox.
#[derive(Debug)]
pub struct Firecracker {
    program: PathBuf,
    options: FirecrackerOptions,
    kernel: Kernel,
    /// The kernel's ELF image.
    elf: PathBuf,
    initramfs: Initramfs,
    jail: Arc<Jail>,
    /// What it said of its version, once one has run.
    version: Arc<OnceLock<String>>,
}

impl Firecracker {
    /// Checks that the host and the kernel are fit for it.
    ///
    /// # Errors
    ///
    /// When KVM can not be used, or the kernel is no ELF image.
    pub fn new(
        program: PathBuf,
        options: FirecrackerOptions,
        kernel: Kernel,
        initramfs: Initramfs,
        jail: Arc<Jail>,
    ) -> Result<Self, MachineError> {
        if let KvmState::Unusable(reason) = kvm_state() {
            return Err(MachineError::NoKvm { reason });
        }
        let elf = kernel.elf.clone().ok_or_else(|| MachineError::NotElf {
            path: kernel.image.clone(),
        })?;
        Ok(Self {
            program,
            options,
            kernel,
            elf,
            initramfs,
            jail,
            version: Arc::new(OnceLock::new()),
        })
    }

    /// The program: the one that is named, else the one on `PATH`, else the one that
    /// `runner setup` put into `cache`.
    ///
    /// # Errors
    ///
    /// [`MachineError::NoFirecracker`].
    pub fn find(program: Option<&Path>, cache: &Path) -> Result<PathBuf, MachineError> {
        find::find(program, cache)
    }

    /// Whether `program` is a Firecracker that can be used. Starts a process; a machine finds out
    /// by itself, so it is asked only where there is a choice.
    ///
    /// # Errors
    ///
    /// [`MachineError::OldFirecracker`] and [`MachineError::NotFirecracker`].
    pub fn check(program: &Path) -> Result<(), MachineError> {
        find::check(program)
    }

    /// Where `runner setup` keeps the program, in the folder `cache`.
    pub fn place_in(cache: &Path) -> PathBuf {
        find::place_in(cache)
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

    /// What Firecracker said of its version; `None` before the first machine has started.
    pub fn version(&self) -> Option<&str> {
        self.version.get().map(String::as_str)
    }
}

impl Sandbox for Firecracker {
    fn description(&self) -> Description {
        Description {
            sandbox: SandboxKind::Firecracker,
            accelerator: Accelerator::Kvm,
            transport: Transport::Vsock,
            root_device: Some(RootDevice::VirtioBlk),
            vmm: Some(self.program.clone()),
            clock: ClockKind::Wall,
            virtual_clock: None,
        }
    }

    fn maps_root_privately(&self) -> bool {
        false
    }

    fn console_hint(&self) -> Option<&'static str> {
        (!self.options.console)
            .then_some("run it again with --serial-console to see the guest's own words")
    }

    fn boot(
        &self,
        root: &RootFilesystem,
        _orders: &Orders,
        seat: &Seat<'_>,
    ) -> Result<Machine, MachineError> {
        let RootFilesystem::Copy(disk) = root else {
            return Err(MachineError::RootKind {
                wanted: "an ext4 image of its own",
            });
        };
        let memory = self.options.memory;
        let huge_pages = self.options.huge_pages.as_ref();
        let huge_pages = huge_pages.map(|pages| pages.promise(memory)).transpose()?;
        let limits = super::cgroup_limits(memory, self.options.vcpus, 0);
        let mut cell = self
            .jail
            .cell(seat.folder, seat.name, limits, seat.placement)?;
        cell.program(&self.program)?;
        cell.device(Path::new("/dev/kvm"));
        if let Some(network) = &self.options.network {
            cell.connect(network, seat.name)?;
        }
        let sockets = seat.folder.join("sockets");
        let inside = cell.folder(&sockets, "/run")?;
        let files = Files {
            kernel: cell.read_only(&self.elf, "/kernel"),
            initramfs: cell.read_only(&self.initramfs.path, "/initramfs"),
            disk: cell.writable(disk, "/disk")?,
            vsock: inside.join("vsock"),
        };
        let sockets = Sockets::open(&sockets)?;
        let listener = sockets.listen()?;
        cell.give(&sockets.listener_path())?;
        let api = inside.join("api.sock");
        let arguments = ["--id", "bencher", "--level", "Warning", "--api-sock"];
        let mut arguments: Vec<OsString> = arguments.map(OsString::from).to_vec();
        arguments.push(api.into_os_string());
        let config = Config::new(&self.options, &files);
        let version = Arc::clone(&self.version);
        Machine::spawn_jailed(JailedLaunch {
            cell,
            program: &self.program,
            arguments,
            vcpus: self.options.vcpus.get(),
            descriptors: Vec::new(),
            connection: Connection::Pending(Box::pin(start(sockets, listener, config, version))),
            root: Root::Disk {
                device: "/dev/vda".to_owned(),
            },
            huge_pages,
        })
    }
}

/// Tells Firecracker what to boot, boots it, and waits for init's connection.
async fn start(
    sockets: Sockets,
    listener: UnixListener,
    config: Config,
    version: Arc<OnceLock<String>>,
) -> Result<UnixStream, MachineError> {
    let mut api = Api::connect(&sockets).await?;
    let found = api.version().await?;
    let found = find::new_enough(found)?;
    // Every machine of a run is of the same program.
    let _same = version.set(found);
    for order in config.orders() {
        if order.starts_the_guest() {
            // Every socket is there by now, and nothing hostile has run yet.
            sockets.seal()?;
        }
        api.put(&order).await?;
    }
    let (stream, _) = listener
        .accept()
        .await
        .map_err(|source| MachineError::Prepare {
            what: "the stream",
            source,
        })?;
    Ok(stream)
}

#[cfg(test)]
#[path = "start_tests.rs"]
mod tests;
