//! The file systems that a container expects, mounted in the image's root.

use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::Setting;
use super::devices::make_devices;
use super::root::{Mount, Resolve, RootFolder};
use crate::error::InitError;

/// Where a host's `/proc` is kept until the reaper has mounted its own: a kernel lets a user
/// namespace mount a new one only where an old one can be seen in full.
pub(crate) const HOST_PROC: &str = "/dev/.host-proc";

/// Mounts everything but `/proc`, which must wait for the pid namespace that it shows, and
/// `/sys/fs/cgroup`, which must wait for the cgroup namespace. Returns what was done otherwise
/// than it should, for the log.
///
/// | place | what | when |
/// |---|---|---|
/// | `/proc` | a folder to mount it on | always |
/// | `/sys` | sysfs; read-only on a host | always |
/// | `/dev` | a small tmpfs with the devices that container engines give | always |
/// | `/dev/pts`, `/dev/shm`, `/dev/mqueue` | devpts of its own, tmpfs, mqueue | always |
/// | `/tmp`, `/run` | tmpfs | when the image has nothing of that name |
pub(crate) fn furnish(root: &RootFolder, setting: Setting) -> Result<Vec<String>, InitError> {
    let mut notes = Vec::new();
    root.folder("proc", 0o555, Resolve::NoLinks)?;
    mount_sys(root, setting, &mut notes)?;
    let tmpfs = |options| Mount::New {
        filesystem: "tmpfs",
        flags: MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
        options,
    };
    root.mount(
        "dev",
        &Mount::New {
            filesystem: "tmpfs",
            flags: MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC,
            options: "mode=755,size=64m",
        },
    )?;
    make_devices(root, setting, &mut notes)?;
    let plain = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    root.mount(
        "dev/pts",
        &Mount::New {
            filesystem: "devpts",
            flags: plain,
            // Group 5 is tty in every distribution, but does not exist in a user namespace.
            options: match setting {
                Setting::Vm | Setting::HostRoot => "newinstance,ptmxmode=0666,mode=0620,gid=5",
                Setting::HostUser => "newinstance,ptmxmode=0666,mode=0620",
            },
        },
    )?;
    root.mount("dev/shm", &tmpfs("mode=1777"))?;
    let mqueue = Mount::New {
        filesystem: "mqueue",
        flags: plain | MsFlags::MS_NODEV,
        options: "",
    };
    if let Err(error) = root.mount("dev/mqueue", &mqueue) {
        // Kernels are built with and without message queues.
        notes.push(format!("failed to {error}: {}", error.reason()));
    }
    for (name, options) in [("tmp", "mode=1777"), ("run", "mode=755")] {
        if root.lacks(name) {
            root.mount(name, &tmpfs(options))?;
        }
    }
    if setting == Setting::HostUser {
        root.mount(
            HOST_PROC.trim_start_matches('/'),
            &Mount::Bind {
                path: Path::new("/proc"),
                recursive: true,
            },
        )?;
    }
    Ok(notes)
}

fn mount_sys(
    root: &RootFolder,
    setting: Setting,
    notes: &mut Vec<String>,
) -> Result<(), InitError> {
    let mut flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    flags.set(MsFlags::MS_RDONLY, setting != Setting::Vm);
    let sysfs = Mount::New {
        filesystem: "sysfs",
        flags,
        options: "",
    };
    match root.mount("sys", &sysfs) {
        // The host hides a part of its own, so a new one would reveal it.
        Err(InitError::Mount {
            source: Errno::EPERM,
            ..
        }) if setting == Setting::HostUser => {
            notes.push("/sys stays empty: the host does not let users mount it".to_owned());
            Ok(())
        }
        result => result,
    }
}

/// Mounts the calling process's pid namespace at `/proc` of the current root. `false` says that
/// this was refused, and that the host's is there instead.
pub(crate) fn mount_proc(setting: Setting) -> nix::Result<bool> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    let mounted = mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>);
    if setting != Setting::HostUser {
        return mounted.map(|()| true);
    }
    let own = match mounted {
        Ok(()) => true,
        Err(Errno::EPERM) => {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(HOST_PROC), "/proc", None::<&str>, flags, None::<&str>)?;
            false
        }
        Err(error) => return Err(error),
    };
    umount2(HOST_PROC, MntFlags::MNT_DETACH)?;
    // An empty folder in a tmpfs of our own: should it stay, it hurts nobody.
    let _ = std::fs::remove_dir(HOST_PROC);
    Ok(own)
}
