//! Machines: where a command runs.
//!
//! ```text
//!          Sandbox::boot(root, seat)
//!                   |
//!                   v
//!  +--------- Machine ----------+      one child process: a VMM in its jail, or init itself
//!  | stream   both ways, framed | <--> bencher_init
//!  | console  last lines kept   | <--- the guest's kernel, the VMM
//!  | wait / kill                |
//!  +----------------------------+
//! ```

mod child;
mod clock;
mod console;
mod error;
mod firecracker;
mod host;
mod huge_pages;
mod kvm;
mod loop_device;
mod qemu;
mod tsc;

use std::fmt::Debug;
use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use bencher_output_protocol::Orders;

pub use child::{Ended, Machine};
pub use clock::{Clock, ClockKind, ClockRate, NoSuchRate, VirtualClock};
pub use console::Tail;
pub use error::MachineError;
pub(crate) use firecracker::DRIVERS as FIRECRACKER_DRIVERS;
pub use firecracker::{
    CpuTemplate, Firecracker, FirecrackerOptions, MOST_VCPUS, firecracker_version,
};
pub use host::Host;
pub use huge_pages::HugePages;
pub(crate) use kvm::state as kvm_state_of;
pub use kvm::{KvmState, kvm_state};
pub use qemu::{Accelerator, Qemu, QemuOptions, RootDevice, qemu_version};
pub use tsc::TscAnchor;

use serde::{Deserialize, Serialize};

use crate::cgroup::CgroupLimits;
use crate::cpus::Placement;
use crate::units::ByteSize;

/// The kernel parameter that makes init touch all of the guest's memory.
const PREFAULT: &str = "bencher.prefault";

/// What a VMM of its own memory and threads may take: the guest's memory, `more` for what kind of
/// VMM it is, and some for itself and for the files that it reads and writes.
pub(crate) fn cgroup_limits(memory: ByteSize, vcpus: NonZeroU8, more: u64) -> CgroupLimits {
    const OWN_MEMORY: u64 = 512 << 20;
    const OWN_THREADS: u64 = 128;
    CgroupLimits {
        memory_bytes: Some(
            memory
                .bytes()
                .saturating_add(OWN_MEMORY)
                .saturating_add(more),
        ),
        pids: Some(u64::from(vcpus.get()) + OWN_THREADS),
    }
}

/// Where commands run: boots one machine per iteration.
pub trait Sandbox: Debug {
    /// What it is, for the result document.
    fn description(&self) -> Description;

    /// Whether the machine takes its root filesystem without a copy of its own: it maps the image
    /// privately, so that writes stay in the machine.
    fn maps_root_privately(&self) -> bool;

    /// How a user learns more of a guest that does not come up; `None` where its console is kept in
    /// any case.
    fn console_hint(&self) -> Option<&'static str> {
        None
    }

    /// Starts a machine with the root filesystem `root`. Returns as soon as its process runs; that
    /// the guest is up is known from the stream. What init is to do, `orders`, is told to it by the
    /// stream too, unless [`Machine::has_orders`] says that the guest is born with them.
    ///
    /// # Errors
    ///
    /// When the machine can not even be started.
    fn boot(
        &self,
        root: &RootFilesystem,
        orders: &Orders,
        seat: &Seat<'_>,
    ) -> Result<Machine, MachineError>;
}

/// What one machine has for itself.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// A folder that is removed after the machine's end.
    pub folder: &'a Path,
    /// A name that nothing else on this host has at the same time.
    pub name: &'a str,
    /// Where it runs; `None` for wherever the kernel wants.
    pub(crate) placement: Option<&'a Placement>,
}

/// An iteration's own root filesystem.
#[derive(Debug)]
pub enum RootFilesystem {
    /// An ext4 image that the machine may write to.
    Copy(PathBuf),
    /// An ext4 image of the cache, which nobody writes to.
    Shared(PathBuf),
    /// A folder.
    Folder(PathBuf),
}

/// What kind of machine it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Description {
    /// The kind of machine.
    pub sandbox: SandboxKind,
    /// What executes the guest's instructions.
    pub accelerator: Accelerator,
    /// How guest and host talk.
    pub transport: Transport,
    /// How the root filesystem is attached.
    pub root_device: Option<RootDevice>,
    /// The VMM's program.
    pub vmm: Option<PathBuf>,
    /// What the guest's time is. Documents from before there was a choice lack it.
    #[serde(default)]
    pub clock: ClockKind,
    /// What a virtual clock's times depend on; absent where the clock is the host's.
    pub virtual_clock: Option<VirtualClock>,
}

/// The kinds of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxKind {
    /// A microVM under Firecracker.
    Firecracker,
    /// A microVM under QEMU.
    Qemu,
    /// No VM: namespaces on the host's own kernel.
    None,
}

/// How guest and host talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// A virtio-serial port.
    Serial,
    /// A vsock connection.
    Vsock,
    /// A socket pair between two processes of one kernel.
    Local,
}
