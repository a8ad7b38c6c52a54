use std::io;
use std::path::PathBuf;

use bencher_output_protocol::ProtocolError;
use thiserror::Error;

use crate::jail::JailError;
use crate::network::NetworkError;

/// Why a machine can not be started.
#[derive(Debug, Error)]
pub enum MachineError {
    /// There is no QEMU.
    #[error(
        "no VMM: `{program}` is not on PATH; install it (Debian: apt-get install \
         qemu-system-x86), name it with --qemu FILE, or run without a VM with --sandbox none"
    )]
    NoQemu {
        /// The program that was looked for.
        program: String,
    },
    /// This version makes no VMs on this architecture.
    #[error("VMs are made on x86_64 hosts only; this host is {architecture}")]
    Architecture {
        /// The host's architecture.
        architecture: &'static str,
    },
    /// KVM was asked for and is not usable.
    #[error("KVM is not usable on this host: {reason}; use --sandbox qemu --accelerator tcg")]
    NoKvm {
        /// Why.
        reason: String,
    },
    /// The host's pool of huge pages is too small.
    #[error(
        "the guest's memory needs {needed} huge pages of 2 MiB and the host has {free} to give, \
         beside what is promised to other guests: make more with sysctl vm.nr_hugepages={wanted}, \
         or leave --hugepages out"
    )]
    HugePages {
        /// What the guest needs.
        needed: u64,
        /// What is free, and promised to nobody else.
        free: u64,
        /// How large the pool would have to be.
        wanted: u64,
    },
    /// This user may lock only so much memory.
    #[error(
        "locked memory is limited to {most} bytes here: lift that with ulimit -Hl unlimited or \
         limits.conf(5), run it as root, or leave --lock-memory out"
    )]
    LockedMemory {
        /// The limit.
        most: u64,
    },
    /// It can not be kept how many huge pages guests are promised.
    #[error("failed to reserve huge pages for the guest: {}: {source}", path.display())]
    Ledger {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// This QEMU is too old for a virtual clock.
    #[error(
        "--clock virtual needs QEMU 7.2 or newer, and {} is {version}: name another with --qemu FILE",
        program.display()
    )]
    OldQemu {
        /// The program.
        program: PathBuf,
        /// What it says of its version.
        version: String,
    },
    /// The orders can not be written down.
    #[error("failed to write the guest's orders: {0}")]
    Orders(#[from] ProtocolError),
    /// There is no Firecracker.
    #[error(
        "no Firecracker: `{program}` is not on PATH; fetch it with `runner setup`, name it with \
         --firecracker FILE, or use --sandbox qemu"
    )]
    NoFirecracker {
        /// The program that was looked for.
        program: String,
    },
    /// This Firecracker is too old.
    #[error(
        "Firecracker {found} is too old: {least} or newer is needed; name another with --firecracker \
         FILE, or take it off PATH and fetch one with `runner setup`"
    )]
    OldFirecracker {
        /// Its version.
        found: String,
        /// The least version.
        least: &'static str,
    },
    /// A program of that name is no Firecracker, or none for this host.
    #[error(
        "it is no Firecracker that runs here: {reason}; name another with --firecracker FILE, or \
         take it off PATH and fetch one with `runner setup`"
    )]
    NotFirecracker {
        /// Why.
        reason: String,
    },
    /// The kernel is not of the form that Firecracker loads.
    #[error(
        "Firecracker loads ELF kernels only, and {} has none inside: name a vmlinux with --kernel",
        path.display()
    )]
    NotElf {
        /// The kernel.
        path: PathBuf,
    },
    /// Firecracker refused an order.
    #[error("Firecracker refused to {action}: {reason}")]
    Api {
        /// What it was told to do.
        action: &'static str,
        /// Its words.
        reason: String,
    },
    /// The VMM ended while it was told what to do.
    #[error("the VMM ended before it was told everything")]
    VmmGone,
    /// A file of the user's for the VMM can not be used.
    #[error("failed to read the CPU template {}: {reason}", path.display())]
    CpuTemplate {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// There is no network for the guest.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// There is no jail for the VMM.
    #[error(transparent)]
    Jail(#[from] JailError),
    /// The child process can not be started.
    #[error("failed to start {}: {source}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A descriptor or socket for the child can not be made.
    #[error("failed to prepare {what} of the machine: {source}")]
    Prepare {
        /// What was to be made.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file that the machine needs can not be opened.
    #[error("failed to open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A loop device can not be set up.
    #[error("failed to attach {} to a loop device: {source}", path.display())]
    Loop {
        /// The image.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The root filesystem is of a kind that the machine does not take.
    #[error("this sandbox takes its root filesystem as {wanted}")]
    RootKind {
        /// What it takes.
        wanted: &'static str,
    },
}
