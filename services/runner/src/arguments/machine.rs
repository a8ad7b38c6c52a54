//! Where the command runs.

use std::num::NonZeroU8;
use std::path::PathBuf;

use bencher_runner::jail::{JailPolicy, Strictness, UidRange};
use bencher_runner::machine::{self, ClockRate};
use bencher_runner::run::{self, QemuChoice};
use bencher_runner::units::ByteSize;
use clap::{Args, ValueEnum};

/// The machine.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each one is an option of its own"
)]
pub(crate) struct Machine {
    /// The kind of machine: a microVM, or `none` for this host's own kernel
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) sandbox: Sandbox,
    /// Virtual CPUs
    #[arg(long, value_name = "N", default_value = "1", help_heading = "Machine")]
    pub(crate) vcpus: NonZeroU8,
    /// The guest's memory
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "512",
        help_heading = "Machine"
    )]
    pub(crate) memory: ByteSize,
    /// The size of the root filesystem
    #[arg(
        long,
        value_name = "SIZE",
        default_value = "1GiB",
        help_heading = "Machine"
    )]
    pub(crate) disk: ByteSize,
    /// The guest's kernel: a bzImage or vmlinux file, URL#sha256:HEX, or sha256:HEX of one in the cache
    /// [default: Debian's cloud kernel, out of the cache or fetched once]
    #[arg(long, value_name = "FILE|URL|DIGEST", help_heading = "Machine")]
    pub(crate) kernel: Option<String>,
    /// The modules of --kernel, as /lib/modules/RELEASE; none when everything is built in
    #[arg(
        long,
        value_name = "DIR",
        requires = "kernel",
        help_heading = "Machine"
    )]
    pub(crate) kernel_modules: Option<PathBuf>,
    /// The Firecracker program [default: the one on PATH, or what `runner setup` fetched]
    #[arg(
        long,
        value_name = "FILE",
        env = "FIRECRACKER_BIN",
        help_heading = "Machine"
    )]
    pub(crate) firecracker: Option<PathBuf>,
    /// What a Firecracker guest sees of the processor: the name of one of Firecracker's templates,
    /// or a file with one
    #[arg(long, value_name = "NAME|FILE", help_heading = "Machine")]
    pub(crate) cpu_template: Option<String>,
    /// Give a Firecracker guest a serial console, whose last lines errors show: slows the boot
    #[arg(long, help_heading = "Machine")]
    pub(crate) serial_console: bool,
    /// Take the guest's memory from the host's pool of huge pages (2 MiB)
    #[arg(long, help_heading = "Machine")]
    pub(crate) hugepages: bool,
    /// Touch the guest's memory before the command starts, so that its first uses cost nothing more;
    /// QEMU with KVM, or with huge pages, does that in any case
    #[arg(long, help_heading = "Machine")]
    pub(crate) prefault: bool,
    /// Keep all of QEMU's memory, the guest's included, in the host's
    #[arg(long, help_heading = "Machine")]
    pub(crate) lock_memory: bool,
    /// What of the disk the host has in memory when a machine boots [default: what making the copy
    /// left there]
    #[arg(long, value_name = "STATE", value_enum, help_heading = "Machine")]
    pub(crate) page_cache: Option<PageCache>,
    /// The QEMU program [default: qemu-system-x86_64]
    #[arg(long, value_name = "FILE", help_heading = "Machine")]
    pub(crate) qemu: Option<PathBuf>,
    /// What executes the guest's instructions
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) accelerator: Accelerator,
    /// How the root filesystem is attached: a copy on virtio-blk boots fastest, an NVDIMM needs no
    /// copy [default: virtio-blk; nvdimm with --clock virtual]
    #[arg(long, value_enum, help_heading = "Machine")]
    pub(crate) root_device: Option<RootDevice>,
    /// What the command's times are: the host's, or a count of executed instructions, which is the
    /// same in every run on any host
    #[arg(long, value_enum, default_value_t, help_heading = "Machine")]
    pub(crate) clock: Clock,
    /// How many million instructions a virtual clock counts as a second: 1000, 500, 250 or 125
    /// [default: 1000]
    #[arg(long, value_name = "N", help_heading = "Machine")]
    pub(crate) clock_mips: Option<ClockRate>,
}

impl Machine {
    /// What is wanted of QEMU.
    pub(crate) fn qemu_choice(&self) -> QemuChoice {
        QemuChoice {
            program: self.qemu.clone(),
            accelerator: match self.accelerator {
                Accelerator::Auto => None,
                Accelerator::Kvm => Some(machine::Accelerator::Kvm),
                Accelerator::Tcg => Some(machine::Accelerator::Tcg),
            },
            root_device: self.root_device.map(|device| match device {
                RootDevice::VirtioBlk => machine::RootDevice::VirtioBlk,
                RootDevice::Nvdimm => machine::RootDevice::Nvdimm,
            }),
            lock_memory: self.lock_memory,
        }
    }

    /// What of the disk is to be in the host's memory.
    pub(crate) fn page_cache(&self) -> run::PageCache {
        match self.page_cache {
            None => run::PageCache::AsItIs,
            Some(PageCache::Warm) => run::PageCache::Warm,
            Some(PageCache::Cold) => run::PageCache::Cold,
        }
    }
}

/// The jail of its VMM.
#[derive(Debug, Args)]
pub(crate) struct Isolation {
    /// Fail unless every part of the VMM's jail can be made
    #[arg(long, help_heading = "Jail", conflicts_with = "no_jail")]
    pub(crate) require_jail: bool,
    /// Run the VMM without a jail: for looking for faults
    #[arg(long, help_heading = "Jail")]
    pub(crate) no_jail: bool,
    /// The user ids that root's VMMs run as, each one's own
    #[arg(
        long,
        value_name = "FIRST:COUNT",
        default_value_t,
        env = "BENCHER_RUNNER_JAIL_UIDS",
        help_heading = "Jail"
    )]
    pub(crate) jail_uids: UidRange,
}

impl Isolation {
    /// What is wanted of the jail.
    pub(crate) fn policy(&self) -> JailPolicy {
        JailPolicy {
            strictness: match (self.require_jail, self.no_jail) {
                (true, _) => Strictness::Complete,
                (_, true) => Strictness::Off,
                _ => Strictness::Possible,
            },
            uids: self.jail_uids,
        }
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PageCache {
    /// All of it
    Warm,
    /// Nothing of it
    Cold,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Sandbox {
    /// The best that this host has
    #[default]
    Auto,
    /// Firecracker; needs KVM
    Firecracker,
    /// QEMU, with KVM where it works
    Qemu,
    /// No VM: namespaces on this host's own kernel
    None,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Accelerator {
    /// KVM where it is usable, else TCG
    #[default]
    Auto,
    /// The processor
    Kvm,
    /// QEMU's emulator
    Tcg,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum RootDevice {
    /// A virtio block device on a copy
    VirtioBlk,
    /// An NVDIMM that maps the image privately
    Nvdimm,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// The host's time
    #[default]
    Wall,
    /// QEMU's count of instructions: emulated, one virtual CPU, no network
    Virtual,
}
