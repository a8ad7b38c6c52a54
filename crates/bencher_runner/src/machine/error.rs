use std::io;
use std::path::PathBuf;

use thiserror::Error;

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
    #[error("KVM is not usable on this host: {reason}; use --accelerator tcg, or auto")]
    NoKvm {
        /// Why.
        reason: String,
    },
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
