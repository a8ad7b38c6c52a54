//! A world of its own on a host.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::error::InitError;
use crate::image::Setting;

/// Leaves the host's namespaces but for those of pids and cgroups, which the reaper and the
/// command get when they are made.
pub(super) fn leave_host() -> Result<Setting, InitError> {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET;
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        unshare(flags).map_err(|source| InitError::Namespaces {
            hint: "root needs CAP_SYS_ADMIN for that: is this a container?",
            source,
        })?;
        return Ok(Setting::HostRoot);
    }
    unshare(flags | CloneFlags::CLONE_NEWUSER).map_err(|source| InitError::Namespaces {
        hint: match source {
            Errno::EPERM | Errno::EACCES => {
                "this host does not let users make them: run as root, or allow it with the \
                 sysctl settings kernel.unprivileged_userns_clone=1 and \
                 kernel.apparmor_restrict_unprivileged_userns=0"
            }
            _ => "run as root, or raise the sysctl settings user.max_*_namespaces",
        },
        source,
    })?;
    // A user may map its own group only after giving up the right to leave groups.
    for (path, contents) in [
        ("/proc/self/setgroups", "deny".to_owned()),
        ("/proc/self/uid_map", format!("0 {user} 1")),
        ("/proc/self/gid_map", format!("0 {group} 1")),
    ] {
        std::fs::write(path, contents).map_err(|source| InitError::IdMap { path, source })?;
    }
    Ok(Setting::HostUser)
}
