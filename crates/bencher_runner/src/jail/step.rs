//! Why a step into the jail failed. One step, one call, one error.

use std::io;
use std::path::PathBuf;

use nix::errno::Errno;
use thiserror::Error;

#[derive(Debug, Error)]
pub(super) enum StepError {
    #[error("failed to read the plan of the jail: {0}")]
    Plan(String),
    #[error("failed to enter the cgroup {}: {source}", path.display())]
    Cgroup { path: PathBuf, source: io::Error },
    #[error("failed to run on the CPUs {cpus}: {reason}")]
    Cpus { cpus: String, reason: String },
    #[error("failed to take memory from node {node} alone: {source}")]
    MemoryNode { node: u32, source: io::Error },
    #[error("failed to make namespaces: {0}")]
    Namespaces(Errno),
    #[error("failed to enter the guest's network: {0}")]
    Network(Errno),
    #[error("failed to write {path}: {source}")]
    IdMap {
        path: &'static str,
        source: io::Error,
    },
    #[error("failed to keep the runner's other files from the VMM: {0}")]
    Descriptors(Errno),
    #[error("failed to leave the session keyring: {0}")]
    Keyring(Errno),
    #[error("failed to hold signals back: {0}")]
    Signals(Errno),
    #[error("failed to open a handle of the jailer: {0}")]
    Handle(rustix::io::Errno),
    #[error("failed to make the first process of the jail: {0}")]
    Fork(Errno),
    #[error("failed to make mounts private: {0}")]
    PrivateMounts(Errno),
    #[error("failed to mount the jail's root on {}: {source}", path.display())]
    NewRoot { path: PathBuf, source: Errno },
    #[error("{} does not name one place: it holds ..", path.display())]
    Climbing { path: PathBuf },
    #[error("failed to make a place for {}: {source}", path.display())]
    Place { path: PathBuf, source: io::Error },
    #[error("failed to mount {} in the jail: {source}", path.display())]
    Bind { path: PathBuf, source: Errno },
    #[error("failed to restrict the mount of {}: {source}", path.display())]
    Restrict { path: PathBuf, source: Errno },
    #[error("failed to make the device {}: {source}", path.display())]
    Device { path: PathBuf, source: Errno },
    #[error("failed to enter the jail's root: {0}")]
    Enter(Errno),
    #[error("failed to swap the root: {0}")]
    Pivot(Errno),
    #[error("failed to let go of the host's root: {0}")]
    Detach(Errno),
    #[error("failed to make the jail's root read-only: {0}")]
    Seal(Errno),
    #[error("failed to set the host name of the jail: {0}")]
    HostName(Errno),
    #[error("failed to limit {what}: {source}")]
    Limit { what: &'static str, source: Errno },
    #[error("failed to leave the groups: {0}")]
    Groups(Errno),
    #[error("failed to drop the capability {number} for good: {source}")]
    BoundingSet {
        number: u32,
        source: rustix::io::Errno,
    },
    #[error("failed to drop ambient capabilities: {0}")]
    Ambient(rustix::io::Errno),
    #[error("failed to become group {gid}: {source}")]
    Group { gid: u32, source: Errno },
    #[error("failed to become user {uid}: {source}")]
    User { uid: u32, source: Errno },
    #[error("failed to drop capabilities: {0}")]
    Capabilities(rustix::io::Errno),
    #[error("failed to give up new privileges: {0}")]
    NoNewPrivileges(rustix::io::Errno),
    #[error("failed to tie the VMM's life to the runner's: {0}")]
    DeathSignal(Errno),
    #[error("the runner has gone")]
    Orphan,
    #[error("failed to wait for the VMM: {0}")]
    Wait(Errno),
    #[error("a path or an argument holds a NUL byte")]
    Nul,
    #[error("failed to execute {}: {source}", path.display())]
    Execute { path: PathBuf, source: Errno },
}
