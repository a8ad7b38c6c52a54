use std::io;
use std::path::PathBuf;

use bencher_output_protocol::ProtocolError;
use thiserror::Error;

use super::text;
use crate::Unfinished;
use crate::cpus::LayoutError;
use crate::images::OpenImageError;
use crate::initramfs::InitramfsError;
use crate::kernel::KernelError;
use crate::machine::{MOST_VCPUS, MachineError};
use crate::scratch::ScratchError;
use crate::tuning::TuningError;

/// Why a run failed: nothing that the command did, so the exit code is 125.
#[derive(Debug, Error)]
pub enum RunError {
    /// The image can not be opened.
    #[error(transparent)]
    Image(#[from] OpenImageError),
    /// The image's configuration and the given options make no command.
    #[error(transparent)]
    Command(#[from] bencher_oci::CommandError),
    /// The environment can not be given to a process.
    #[error(transparent)]
    Environment(#[from] bencher_oci::EnvironmentError),
    /// The working directory is none.
    #[error(transparent)]
    WorkingDirectory(#[from] bencher_oci::WorkingDirError),
    /// The image's stop signal is none.
    #[error(transparent)]
    StopSignal(#[from] bencher_oci::StopSignalError),
    /// The user is none.
    #[error(transparent)]
    User(#[from] bencher_oci::UserSpecError),
    /// A layer's content is identified by something else than a SHA-256.
    #[error("the image lists a layer by {diff_id}: only sha256 diff IDs are supported")]
    DiffIdAlgorithm {
        /// The diff ID.
        diff_id: String,
    },
    /// The root filesystem can not be built, kept or copied.
    #[error("{}", text::chain(.0))]
    Rootfs(#[from] bencher_rootfs::RootfsError),
    /// The cache of root filesystems is not usable, or one can not be built.
    #[error("{}", text::chain(.0))]
    RootfsCache(#[from] bencher_rootfs::CacheError),
    /// A root filesystem can not be copied.
    #[error("{}", text::chain(.0))]
    RootfsCopy(#[from] bencher_rootfs::CopyError),
    /// A root filesystem can not be extracted, or not be removed.
    #[error("{}", text::chain(.0))]
    Extract(#[from] bencher_rootfs::ExtractError),
    /// There is no kernel.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// There is no initramfs.
    #[error(transparent)]
    Initramfs(#[from] InitramfsError),
    /// The machine can not be started.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// The guest sent something that is not the protocol.
    #[error("the guest broke the protocol: {0}")]
    Protocol(#[from] ProtocolError),
    /// The guest's init failed.
    #[error("the guest failed to {stage}: {reason}")]
    Guest {
        /// What it was doing.
        stage: String,
        /// Why that failed.
        reason: String,
    },
    /// The guest's kernel panicked.
    #[error("the guest's kernel panicked: {message}{console}")]
    KernelPanic {
        /// The kernel's message.
        message: String,
        /// The console's last lines.
        console: ConsoleExcerpt,
    },
    /// The machine ended before the guest had started the command.
    #[error("the machine ended before the command began ({status}){console}")]
    MachineDiedInBoot {
        /// How its process ended.
        status: std::process::ExitStatus,
        /// What the VMM and the guest wrote last.
        console: ConsoleExcerpt,
    },
    /// The machine ended after the command had begun, and before the guest had said everything.
    #[error("the machine ended before the command's result was complete ({status}){console}")]
    MachineDied {
        /// How its process ended.
        status: std::process::ExitStatus,
        /// What the VMM and the guest wrote last.
        console: ConsoleExcerpt,
    },
    /// The VMM took more of the host's memory than its cgroup may.
    #[error(
        "the VMM was ended because it took more of the host's memory than the guest's and its own \
         together{console}"
    )]
    HostMemory {
        /// What the VMM and the guest wrote last.
        console: ConsoleExcerpt,
    },
    /// More vCPUs than the VMM gives a machine.
    #[error(
        "Firecracker gives a machine {MOST_VCPUS} vCPUs at most, and {asked} were asked for: ask for fewer, or \
         use --sandbox qemu"
    )]
    TooManyVcpus {
        /// How many were asked for.
        asked: u8,
    },
    /// The CPUs that were named can not be used.
    #[error(transparent)]
    Cpus(#[from] LayoutError),
    /// The host can not be tuned as required.
    #[error(transparent)]
    Tuning(#[from] TuningError),
    /// An iteration is suspect, and that was not to be.
    #[error(
        "iteration {index} is suspect: {reasons}; make the host quieter, or leave --on-suspect out \
         to keep such iterations"
    )]
    Suspect {
        /// Its number, from 1.
        index: u32,
        /// Why, in words.
        reasons: String,
    },
    /// An adapter did not find metrics.
    #[error(
        "iteration {index} has no metrics of a harness: {reason}; what the command wrote is in the result \
         (--result, --output-dir), which `runner compare --adapter` and `runner export --adapter` read again"
    )]
    Adapter {
        /// The number of the iteration, from 1.
        index: u32,
        /// Why not.
        reason: String,
    },
    /// The metric that is to be measured precisely is not measured.
    #[error(
        "iteration {index} has no metric {metric}: it has {there}; name one of them with --metric"
    )]
    NoSuchMetric {
        /// The metric.
        metric: String,
        /// The number of the iteration, from 1.
        index: u32,
        /// The names of the metrics that it has.
        there: String,
    },
    /// A VMM's jail was required, and there is no VMM.
    #[error("there is no jail without a VMM: leave --require-jail out, or use another --sandbox")]
    NoJail,
    /// Choices for one VMM and another VMM.
    #[error("--cpu-template and --serial-console are for Firecracker, and {other} was asked for")]
    NotFirecracker {
        /// What was asked for.
        other: &'static str,
    },
    /// A choice for QEMU and another VMM.
    #[error("--lock-memory is for QEMU, which can lock its memory, and {other} was asked for")]
    NoLockedMemory {
        /// What was asked for.
        other: &'static str,
    },
    /// A choice for a machine's memory where there is none.
    #[error(
        "--prefault is about the memory of a machine, and --sandbox none has none: leave it out"
    )]
    NoMemory,
    /// A choice for disks where there is none.
    #[error(
        "--page-cache is about the disk of a run, and a user's --sandbox none has a folder: leave \
         it out, or use another --sandbox"
    )]
    NoDisk,
    /// A choice that a virtual clock can not be combined with.
    #[error("--clock virtual can not be combined with {option}: {reason}")]
    VirtualClock {
        /// What was asked for.
        option: &'static str,
        /// Why not.
        reason: &'static str,
    },
    /// The guest did not start the command in time.
    #[error(
        "the guest did not start the command within {seconds} s: give it more time with \
         --boot-timeout, or more memory with --memory{console}"
    )]
    BootTimeout {
        /// The limit.
        seconds: f64,
        /// What the VMM and the guest wrote last.
        console: ConsoleExcerpt,
    },
    /// The guest fell silent after the command had ended.
    #[error("the guest fell silent after the command had ended{console}")]
    Stalled {
        /// What the VMM and the guest wrote last.
        console: ConsoleExcerpt,
    },
    /// The guest sent more files than the limit that it was given.
    #[error("the guest sent more than the {limit} files that it was told to send at most")]
    TooManyFiles {
        /// The limit.
        limit: u32,
    },
    /// The output folder is not usable.
    #[error("failed to write the output folder {}: {source}", path.display())]
    OutputFolder {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The output folder holds something already.
    #[error(
        "the output folder {} is not empty: nothing in it is overwritten; name a new one with \
         --output-dir", path.display()
    )]
    OutputFolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The result can not be written.
    #[error("failed to write the result to {}: {source}", path.display())]
    Result {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The state folder is not usable.
    #[error(
        "failed to use the state folder {}: {source}; make it writable or choose another with \
         --state-dir", path.display()
    )]
    State {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A thread of the runner ended without a result.
    #[error("a thread of the runner failed: {0}")]
    Thread(io::Error),
    /// The stream or the machine's process can not be used further.
    #[error("failed to {action}: {source}")]
    Io {
        /// What was being done.
        action: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// The memory asked for is too little for any guest.
    #[error("{asked} is too little memory for a guest: give it at least {least} with --memory")]
    TooLittleMemory {
        /// What was asked for.
        asked: crate::units::ByteSize,
        /// What is needed.
        least: crate::units::ByteSize,
    },
    /// The disk would need more of the guest's memory than it should have.
    #[error(
        "a disk of {disk} as an NVDIMM takes too much of a guest's {memory} for its page table: \
         give more with --memory, or use --root-device virtio-blk"
    )]
    NvdimmTooLarge {
        /// The disk.
        disk: crate::units::ByteSize,
        /// The memory.
        memory: crate::units::ByteSize,
    },
    /// Whoever has the results does not want those of what was about to run.
    #[error("{0}")]
    Refused(String),
    /// The user stopped the run before a command was started.
    #[error("interrupted before the command was started")]
    Interrupted(nix::sys::signal::Signal),
    /// The same, and what was being done did not stop.
    #[error(
        "interrupted before the command was started; what was being done did not end in time, and \
         is left alone"
    )]
    LeftAlone(nix::sys::signal::Signal),
}

impl RunError {
    /// The exit code of a run that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            // As shells have it for a process that a signal ended.
            Self::Interrupted(signal) | Self::LeftAlone(signal) => {
                128 + u8::try_from(*signal as i32).unwrap_or(0)
            }
            _ => 125,
        }
    }
}

impl From<Unfinished> for RunError {
    fn from(unfinished: Unfinished) -> Self {
        match unfinished {
            Unfinished::Interrupted(signal) => Self::Interrupted(signal),
            Unfinished::LeftAlone(signal) => Self::LeftAlone(signal),
            Unfinished::Thread(source) => Self::Thread(source),
        }
    }
}

impl From<ScratchError> for RunError {
    fn from(error: ScratchError) -> Self {
        Self::State {
            path: error.path,
            source: error.source,
        }
    }
}

/// The end of a console, as the end of an error message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleExcerpt {
    /// The lines, oldest first.
    pub lines: Vec<String>,
    /// What to do for more lines, where there would be any.
    pub hint: Option<&'static str>,
}

impl std::fmt::Display for ConsoleExcerpt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(hint) = self.hint {
            write!(formatter, "; {hint}")?;
        }
        if self.lines.is_empty() {
            return Ok(());
        }
        write!(formatter, "; the console ended with:")?;
        for line in &self.lines {
            write!(formatter, "\n    | {line}")?;
        }
        Ok(())
    }
}
