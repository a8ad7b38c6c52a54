//! What a jailer is told: everything that it does is in its plan, so that it decides nothing.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::os::fd::{OwnedFd, RawFd};
use std::path::PathBuf;

use nix::sys::memfd::{MFdFlags, memfd_create};
use serde::{Deserialize, Serialize};

/// How a process becomes a jailed VMM.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// The program, where the jail has it.
    pub(crate) program: PathBuf,
    /// Its arguments, without its name.
    pub(crate) arguments: Vec<OsString>,
    /// The namespaces and the root of its own; `None` where the host allows none.
    pub(crate) isolation: Option<Isolation>,
    /// The descriptor of a network namespace for it; `None` for an empty one of its own.
    pub(crate) network: Option<RawFd>,
    /// Whom it runs as; `None` for the user who started the runner.
    pub(crate) ids: Option<Ids>,
    /// Limits of resources.
    pub(crate) limits: Limits,
    /// Its cgroup's folder.
    pub(crate) cgroup: Option<PathBuf>,
    /// The CPUs that it may run on, as a list; `None` for those of the jailer.
    pub(crate) cpus: Option<String>,
    /// The NUMA node that its memory comes from; `None` for the nearest one.
    pub(crate) memory_node: Option<u32>,
}

impl Plan {
    /// The plan as a file without a name, to be read from its beginning.
    pub(super) fn into_descriptor(self) -> io::Result<OwnedFd> {
        let mut file = File::from(memfd_create(c"plan", MFdFlags::MFD_CLOEXEC)?);
        file.write_all(&serde_json::to_vec(&self)?)?;
        file.rewind()?;
        Ok(OwnedFd::from(file))
    }
}

/// A view of the host that holds only what the plan names.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Isolation {
    /// Who makes the namespaces.
    pub(crate) by: Maker,
    /// An empty folder of the host, on which the new root is mounted. Nothing of that is seen
    /// outside of the jail.
    pub(crate) place: PathBuf,
    /// What the new root holds.
    pub(crate) entries: Vec<Entry>,
}

/// Who makes the namespaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Maker {
    /// The host's root.
    Root,
    /// A user, inside a user namespace in which it keeps its ids.
    User {
        /// Its user id.
        uid: u32,
        /// Its group id.
        gid: u32,
    },
}

/// A file, folder or device of the host's in the new root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// Where the host has it.
    pub(crate) host: PathBuf,
    /// Where the jail has it: an absolute path.
    pub(crate) inside: PathBuf,
    /// What may be done with it.
    pub(crate) access: Access,
}

/// What may be done with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Access {
    /// Reading and executing.
    ReadOnly,
    /// Writing too.
    ReadWrite,
    /// Whatever a device does.
    Device,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ids {
    /// The user id.
    pub(crate) uid: u32,
    /// The group id.
    pub(crate) gid: u32,
}

/// Limits of resources (`setrlimit(2)`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    /// The largest file that it may write, in bytes.
    pub(crate) file_bytes: u64,
    /// Files that it may have open.
    pub(crate) open_files: u64,
    /// Threads that its user may have; `None` where other processes of that user count too.
    pub(crate) threads: Option<u64>,
    /// Whether it may lock any amount of memory, which its cgroup limits; else what the runner
    /// itself may.
    pub(crate) locks_memory: bool,
}
