//! Machines: where a command runs.
//!
//! ```text
//!            Sandbox::boot(root)
//!                   |
//!                   v
//!  +--------- Machine ----------+      one child process: a VMM, or init itself
//!  | stream   both ways, framed | <--> bencher_init
//!  | console  last lines kept   | <--- the guest's kernel, the VMM
//!  | wait / kill                |
//!  +----------------------------+
//! ```

mod child;
mod console;
mod error;
mod host;
mod kvm;
mod loop_device;
mod qemu;
mod tsc;

use std::fmt::Debug;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

pub use child::{Ended, Machine};
pub use console::Tail;
pub use error::MachineError;
pub use host::Host;
pub use kvm::{KvmState, kvm_state};
pub(crate) use qemu::open_image;
pub use qemu::{Accelerator, Qemu, QemuOptions, RootDevice, qemu_version};
pub use tsc::TscAnchor;

use serde::{Deserialize, Serialize};

/// Where commands run: boots one machine per iteration.
pub trait Sandbox: Debug {
    /// What it is, for the result document.
    fn description(&self) -> Description;

    /// Whether the machine takes its root filesystem without a copy of its own: it maps the image
    /// privately, so that writes stay in the machine.
    fn maps_root_privately(&self) -> bool;

    /// Starts a machine with the root filesystem `root`. Returns as soon as its process runs; that
    /// the guest is up is known from the stream.
    ///
    /// # Errors
    ///
    /// When the machine can not even be started.
    fn boot(&self, root: &RootFilesystem) -> Result<Machine, MachineError>;
}

/// An iteration's own root filesystem.
#[derive(Debug)]
pub enum RootFilesystem {
    /// An ext4 image.
    Image {
        /// Its path, for messages.
        path: PathBuf,
        /// The open file.
        file: OwnedFd,
    },
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
}

/// The kinds of machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SandboxKind {
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
