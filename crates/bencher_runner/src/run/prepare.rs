//! What happens once before the first iteration: image, kernel, sandbox, root filesystem.

use std::path::PathBuf;
use std::sync::Arc;

use bencher_oci::{Cancellation, Image};
use bencher_output_protocol::Orders;
use bencher_rootfs::CachedImage;

use super::choice::{self, Choice};
use super::{RunError, RunSpec, orders, rootfs};
use crate::images::{Obtained, obtain};
use crate::initramfs::{self, Initramfs};
use crate::jail::Jail;
use crate::kernel::Kernel;
use crate::kernel::{self, KernelStore};
use crate::machine::{
    self, Accelerator, Clock, ClockKind, Description, Firecracker, FirecrackerOptions, Host,
    KvmState, MachineError, Qemu, QemuOptions, Sandbox, kvm_state,
};
use crate::network::{self, GuestNetwork};
use crate::result;
use crate::units::ByteSize;
use crate::{Interrupts, Reporter, interruptible};

/// Everything that the iterations of a run share.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) image: Image,
    pub(crate) orders: Orders,
    pub(crate) sandbox: Machinery,
    pub(crate) root: Root,
}

/// The sandbox and what it is made of.
#[derive(Debug)]
pub(crate) enum Machinery {
    Firecracker(Box<Firecracker>),
    Qemu(Box<Qemu>),
    Host(Host),
}

/// What each iteration's root filesystem is made from.
#[derive(Debug)]
pub(crate) enum Root {
    /// A copy of this image, or the image itself where the machine maps it privately.
    Image(CachedImage),
    /// A folder, extracted anew.
    Folder,
}

impl Machinery {
    pub(crate) fn sandbox(&self) -> &dyn Sandbox {
        match self {
            Self::Firecracker(firecracker) => firecracker.as_ref(),
            Self::Qemu(qemu) => qemu.as_ref(),
            Self::Host(host) => host,
        }
    }

    fn network(&self) -> Option<&GuestNetwork> {
        match self {
            Self::Firecracker(firecracker) => firecracker.network(),
            Self::Qemu(qemu) => qemu.network(),
            Self::Host(_) => None,
        }
    }
}

/// Prepares a run on a thread of its own, so that an interrupt is noticed at once.
pub(crate) async fn prepare(
    spec: &Arc<RunSpec>,
    interrupts: &mut Interrupts,
    reporter: &Arc<dyn Reporter>,
) -> Result<Prepared, RunError> {
    let (spec, reporter) = (Arc::clone(spec), Arc::clone(reporter));
    interruptible(interrupts, move |cancel| {
        prepare_blocking(&spec, &reporter, cancel)
    })
    .await?
}

fn prepare_blocking(
    spec: &RunSpec,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancellation,
) -> Result<Prepared, RunError> {
    let choice = choice::choose(spec, reporter.as_ref())?;
    let obtained = obtain(&spec.image, &spec.directories, reporter.as_ref(), cancel)?;
    let mut orders = orders::orders(spec, &obtained.image().config)?;
    let sandbox = match choice {
        Choice::Host => Machinery::Host(Host),
        Choice::Firecracker(program) => firecracker(program, spec, reporter, cancel)?,
        Choice::Qemu => qemu(spec, reporter, cancel)?,
    };
    orders.network = sandbox.network().map(GuestNetwork::orders);
    let make_root = |image: &Image, reporter: &dyn Reporter| {
        if matches!(sandbox, Machinery::Host(_)) && !Host::can_mount() {
            return Ok(Root::Folder);
        }
        rootfs::cached(image, spec, reporter, cancel).map(Root::Image)
    };
    let (image, root) = match obtained {
        Obtained::Here(image) => {
            let root = make_root(&image, reporter.as_ref())?;
            (*image, root)
        }
        Obtained::Coming(coming) => coming.fetch_beside(make_root)?,
    };
    Ok(Prepared {
        image,
        orders,
        sandbox,
        root,
    })
}

/// The jail for the VMM, and what it lacks said.
fn jail(spec: &RunSpec, reporter: &dyn Reporter) -> Result<Arc<Jail>, RunError> {
    let jail = Jail::new(spec.jail, &spec.directories.cache).map_err(MachineError::from)?;
    let missing = jail.state().missing.join("; ");
    if !missing.is_empty() {
        reporter.warning(&format!("the VMM's jail lacks {missing}"));
    }
    Ok(Arc::new(jail))
}

/// The network for guests, if they are to have one.
fn network(
    spec: &RunSpec,
    jail: &Jail,
    reporter: &Arc<dyn Reporter>,
) -> Result<Option<Arc<GuestNetwork>>, RunError> {
    let choice = spec.network.as_ref();
    let network = choice.map(|choice| GuestNetwork::new(choice, jail, reporter));
    Ok(network
        .transpose()
        .map_err(MachineError::from)?
        .map(Arc::new))
}

/// What drives the devices of a machine that has `own` ones.
fn drivers<'a>(own: &[&'a str], network: Option<&Arc<GuestNetwork>>) -> Vec<&'a str> {
    let network = network.map(|_| network::DRIVER);
    own.iter().copied().chain(network).collect()
}

fn firecracker(
    program: PathBuf,
    spec: &RunSpec,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancellation,
) -> Result<Machinery, RunError> {
    let jail = jail(spec, reporter.as_ref())?;
    let network = network(spec, &jail, reporter)?;
    let store = KernelStore::new(&spec.directories.cache);
    let kernel = kernel::find(&spec.kernel, &store, reporter.as_ref(), cancel.flag())?;
    let drivers = drivers(&machine::FIRECRACKER_DRIVERS, network.as_ref());
    let initramfs = initramfs::prepare(&kernel, &drivers, &spec.directories.cache)?;
    let options = FirecrackerOptions {
        vcpus: spec.vcpus,
        memory: spec.memory,
        huge_pages: spec.huge_pages.clone(),
        prefault: spec.prefault,
        cpu_template: spec.firecracker.cpu_template.clone(),
        console: spec.firecracker.console,
        network,
    };
    let firecracker = Firecracker::new(program, options, kernel, initramfs, jail)?;
    Ok(Machinery::Firecracker(Box::new(firecracker)))
}

fn qemu(
    spec: &RunSpec,
    reporter: &Arc<dyn Reporter>,
    cancel: &Cancellation,
) -> Result<Machinery, RunError> {
    let jail = jail(spec, reporter.as_ref())?;
    let network = network(spec, &jail, reporter)?;
    let store = KernelStore::new(&spec.directories.cache);
    let kernel = kernel::find(&spec.kernel, &store, reporter.as_ref(), cancel.flag())?;
    let drivers = drivers(spec.root_device().drivers(), network.as_ref());
    let initramfs = initramfs::prepare(&kernel, &drivers, &spec.directories.cache)?;
    let options = QemuOptions {
        program: spec.qemu.program.clone(),
        accelerator: match spec.clock {
            Clock::Wall => spec.qemu.accelerator,
            Clock::Virtual(_) => Some(Accelerator::Tcg),
        },
        root_device: spec.root_device(),
        vcpus: spec.vcpus,
        memory: spec.memory,
        huge_pages: spec.huge_pages.clone(),
        prefault: spec.prefault,
        lock_memory: spec.qemu.lock_memory,
        network,
        clock: spec.clock,
        tsc: spec.tsc,
    };
    let qemu = Qemu::new(options, kernel, initramfs, jail)?;
    if let Some(warning) = emulation_warning(&qemu.description()) {
        let reason = match kvm_state() {
            KvmState::Usable => "TCG was asked for".to_owned(),
            KvmState::Doubtful(reason) | KvmState::Unusable(reason) => {
                format!("KVM is not usable: {reason}")
            }
        };
        reporter.warning(&format!("{warning} ({reason})"));
    }
    Ok(Machinery::Qemu(Box::new(qemu)))
}

/// Why times of such a machine are not those of the hardware.
pub(crate) fn emulation_warning(description: &Description) -> Option<&'static str> {
    // A virtual clock does not claim to be the hardware's.
    let is_emulated =
        description.accelerator == Accelerator::Tcg && description.clock == ClockKind::Wall;
    is_emulated.then_some(
        "instructions are emulated by QEMU TCG: times are not comparable with hardware, only with \
         other runs under the same emulator on the same host",
    )
}

/// Why the numbers of such a machine can not be compared, if they can not.
pub(crate) fn doubts(description: &Description) -> Vec<String> {
    let no_machine = (description.accelerator == Accelerator::None)
        .then_some("the command ran on the host's own kernel, beside whatever else runs there");
    emulation_warning(description)
        .into_iter()
        .chain(no_machine)
        .map(str::to_owned)
        .collect()
}

/// The machine as the result shows it, but for the version of a QEMU.
pub(crate) fn machine(spec: &RunSpec, prepared: &Prepared) -> result::Machine {
    let description = prepared.sandbox.sandbox().description();
    let vm = |kernel: &Kernel, initramfs: &Initramfs, jail: &Jail| result::Machine {
        description: description.clone(),
        vmm_version: None,
        vcpus: Some(spec.vcpus.get()),
        memory_bytes: Some(ByteSize::from_bytes(spec.memory.mebibytes() << 20)),
        huge_pages: spec.huge_pages.is_some(),
        disk_bytes: Some(spec.disk),
        kernel: Some(result::KernelIdentity {
            release: kernel.release.clone(),
            sha256: kernel.sha256.clone(),
            origin: kernel.origin.clone(),
            initramfs_id: initramfs.id.clone(),
        }),
        jail: Some(jail.state()),
        network: prepared.sandbox.network().map(GuestNetwork::state),
    };
    match &prepared.sandbox {
        Machinery::Firecracker(firecracker) => result::Machine {
            vmm_version: firecracker.version().map(str::to_owned),
            ..vm(
                firecracker.kernel(),
                firecracker.initramfs(),
                firecracker.jail(),
            )
        },
        Machinery::Qemu(qemu) => vm(qemu.kernel(), qemu.initramfs(), qemu.jail()),
        Machinery::Host(_) => result::Machine {
            description,
            vmm_version: None,
            vcpus: None,
            memory_bytes: None,
            huge_pages: false,
            disk_bytes: Host::can_mount().then_some(spec.disk),
            kernel: None,
            jail: None,
            network: None,
        },
    }
}
