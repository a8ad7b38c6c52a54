//! Leaving the host's namespaces.

use std::os::fd::OwnedFd;

use nix::sched::{CloneFlags, setns, unshare};

use super::plan::Maker;
use super::step::StepError;

/// Network: without any device, loopback included. IPC, host name, mounts: none of the host's can
/// be reached or changed. Pids: the next child is the first process of its own world,
/// and whatever it starts ends with it.
const NAMESPACES: CloneFlags = CloneFlags::CLONE_NEWNS
    .union(CloneFlags::CLONE_NEWPID)
    .union(CloneFlags::CLONE_NEWNET)
    .union(CloneFlags::CLONE_NEWIPC)
    .union(CloneFlags::CLONE_NEWUTS);

/// Moves this process to namespaces of its own, or to the `network` that was made for it; only its
/// children are in the one of pids.
pub(super) fn leave_host(maker: Maker, network: Option<OwnedFd>) -> Result<(), StepError> {
    if let Some(network) = network {
        // Closed with it: what is in a network can not leave it, and needs no handle of it.
        setns(network, CloneFlags::CLONE_NEWNET).map_err(StepError::Network)?;
        return unshare(NAMESPACES - CloneFlags::CLONE_NEWNET).map_err(StepError::Namespaces);
    }
    let Maker::User { uid, gid } = maker else {
        return unshare(NAMESPACES).map_err(StepError::Namespaces);
    };
    unshare(CloneFlags::CLONE_NEWUSER | NAMESPACES).map_err(StepError::Namespaces)?;
    // A user may map its own group only after giving up the right to leave groups. Its ids are
    // the same inside.
    for (path, contents) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("{uid} {uid} 1")),
        ("/proc/self/gid_map", format!("{gid} {gid} 1")),
    ] {
        std::fs::write(path, contents).map_err(|source| StepError::IdMap { path, source })?;
    }
    Ok(())
}

/// Makes the cgroup that this process is in the root of all that it sees of cgroups. That of a
/// process that enters its cgroup later would be the host's.
pub(super) fn leave_cgroups() -> Result<(), StepError> {
    unshare(CloneFlags::CLONE_NEWCGROUP).map_err(StepError::Namespaces)
}
