use std::num::NonZeroU8;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bencher_oci::CommandOverrides;
use bencher_output_protocol::LogLevel;

use super::{Goal, LiveOutput, OnSuspect, PageCache};
use crate::Directories;
use crate::cpus::CpuChoice;
use crate::harness::AdapterChoice;
use crate::images::ImageChoice;
use crate::jail::JailPolicy;
use crate::kernel::KernelSource;
use crate::machine::{Accelerator, Clock, CpuTemplate, HugePages, RootDevice, TscAnchor};
use crate::network::NetworkChoice;
use crate::tuning::TuningPolicy;
use crate::units::ByteSize;

/// The least memory that a guest is given: the kernel, init and a small command need about half.
pub const LEAST_MEMORY: ByteSize = ByteSize::from_mebibytes(128);

/// Everything that the user may choose of a run.
#[derive(Debug, Clone)]
pub struct RunSpec {
    /// The image.
    pub image: ImageChoice,
    /// The kind of machine.
    pub sandbox: SandboxChoice,
    /// Choices for Firecracker.
    pub firecracker: FirecrackerChoice,
    /// Choices for QEMU.
    pub qemu: QemuChoice,
    /// The guest's way out; `None` for loopback alone.
    pub network: Option<NetworkChoice>,
    /// What is wanted of the VMM's jail.
    pub jail: JailPolicy,
    /// What the guest's time is.
    pub clock: Clock,
    /// Virtual CPUs.
    pub vcpus: NonZeroU8,
    /// The guest's memory.
    pub memory: ByteSize,
    /// Huge pages for it, if it is to have any.
    pub huge_pages: Option<HugePages>,
    /// Whether the guest touches all of it before the command starts.
    pub prefault: bool,
    /// The size of the root filesystem.
    pub disk: ByteSize,
    /// What of it is in the host's page cache when a machine boots.
    pub page_cache: PageCache,
    /// Where the kernel comes from.
    pub kernel: KernelSource,
    /// What replaces the image's command.
    pub command: CommandOverrides,
    /// `NAME=value` pairs that are added to the image's environment or replace it.
    pub environment: Vec<String>,
    /// Replaces the image's working directory.
    pub working_directory: Option<String>,
    /// Replaces the image's user.
    pub user: Option<String>,
    /// Files and folders to collect; relative to the working directory unless absolute.
    pub outputs: Vec<String>,
    /// What reads metrics of a harness out of what the command wrote; a file that it names is collected.
    pub adapter: Option<AdapterChoice>,
    /// Where outputs and the result are put.
    pub output_folder: Option<PathBuf>,
    /// What the user calls the run.
    pub label: Option<String>,
    /// A file for the result document, replaced if it exists.
    pub result_file: Option<PathBuf>,
    /// Where the command's output goes while it runs.
    pub live: LiveOutput,
    /// How often to run the command, each time in a fresh machine.
    pub goal: Goal,
    /// Iterations before those, whose numbers do not count.
    pub warmups: u32,
    /// Whether to go on after an iteration that failed.
    pub allow_failure: bool,
    /// What is wanted of the host's CPUs.
    pub cpus: CpuChoice,
    /// Whether the host's processor and kernel count what the command does.
    pub perf_counters: bool,
    /// What becomes of an iteration that is suspect.
    pub on_suspect: OnSuspect,
    /// How long to wait before each iteration but the first until the processor is as cool as it
    /// was before the first; `None` for not at all.
    pub cool_down: Option<Duration>,
    /// What is wanted of the host's tuning.
    pub tuning: TuningPolicy,
    /// The limits.
    pub limits: RunLimits,
    /// The least important log lines of init that are shown.
    pub guest_log_level: LogLevel,
    /// Where things are kept.
    pub directories: Directories,
    /// When the runner's process began.
    pub process_start: Instant,
    /// The same, for the TSC's rate.
    pub tsc: TscAnchor,
}

impl RunSpec {
    /// How a QEMU's root filesystem is attached.
    pub(crate) fn root_device(&self) -> RootDevice {
        self.qemu.root_device.unwrap_or(match self.clock {
            Clock::Wall => RootDevice::default(),
            Clock::Virtual(_) => RootDevice::Nvdimm,
        })
    }
}

/// The kind of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SandboxChoice {
    /// The best that this host has.
    Auto,
    /// Firecracker.
    Firecracker,
    /// QEMU.
    Qemu,
    /// No VM.
    None,
}

/// Choices for Firecracker.
#[derive(Debug, Clone, Default)]
pub struct FirecrackerChoice {
    /// The program; `None` for the one on `PATH` or the one that `runner setup` fetched.
    pub program: Option<PathBuf>,
    /// What the guest sees of the processor; `None` for all of it.
    pub cpu_template: Option<CpuTemplate>,
    /// Whether the guest's kernel has a serial console.
    pub console: bool,
}

impl FirecrackerChoice {
    /// Whether nothing was chosen that only Firecracker has. Which program it is says nothing: that
    /// may be set once for all runs.
    pub fn is_default(&self) -> bool {
        self.cpu_template.is_none() && !self.console
    }
}

/// Choices for QEMU.
#[derive(Debug, Clone, Default)]
pub struct QemuChoice {
    /// The program; `None` for the one on `PATH`.
    pub program: Option<PathBuf>,
    /// The accelerator; `None` for the best that works.
    pub accelerator: Option<Accelerator>,
    /// How the root filesystem is attached; `None` for what suits the clock.
    pub root_device: Option<RootDevice>,
    /// Whether all of its memory stays in the host's.
    pub lock_memory: bool,
}

impl QemuChoice {
    /// Whether the user has left everything to the runner.
    pub fn is_default(&self) -> bool {
        self.program.is_none()
            && self.accelerator.is_none()
            && self.root_device.unwrap_or_default() == RootDevice::default()
            && !self.lock_memory
    }
}

impl RunLimits {
    /// How long a machine with this clock may take to start the command, unless the user says
    /// otherwise. Counting instructions slows a boot, and a busy host slows it again.
    pub fn default_boot_timeout(clock: Clock) -> Duration {
        Duration::from_secs(match clock {
            Clock::Wall => 60,
            Clock::Virtual(_) => 300,
        })
    }
}

/// What bounds a run.
#[derive(Debug, Clone, Copy)]
pub struct RunLimits {
    /// How long the command may take, by the host's clock: it is the host that it protects.
    pub timeout: Duration,
    /// How long the machine may take to start the command.
    pub boot_timeout: Duration,
    /// Time between the stop signal and the kill, by the guest's clock.
    pub grace_period: Duration,
    /// Bytes kept of each of standard output and standard error.
    pub output: ByteSize,
    /// Files collected.
    pub file_count: u32,
    /// Bytes kept of each file.
    pub file: ByteSize,
    /// Bytes kept of all files of an iteration together.
    pub total_files: ByteSize,
}
