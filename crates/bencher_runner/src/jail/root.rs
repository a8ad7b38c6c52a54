//! The jail's own root: an empty filesystem in which only what the plan names is mounted.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, mknod, umask};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{Gid, Uid, chdir, chown, pivot_root};

use super::plan::{Access, Entry, Ids, Isolation, Maker};
use super::step::StepError;

const NONE: Option<&str> = None;

/// Mounts of this process must not appear on the host.
pub(super) fn make_mounts_private() -> Result<(), StepError> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(NONE, "/", NONE, private, NONE).map_err(StepError::PrivateMounts)
}

/// Mounts an empty filesystem on `place`. It holds places to mount things on and, for root,
/// devices; so a few KiB are enough.
pub(super) fn mount_new_root(place: &Path) -> Result<(), StepError> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
    let options = Some("mode=755,size=64k,nr_inodes=2k");
    mount(Some("tmpfs"), place, Some("tmpfs"), flags, options).map_err(|source| {
        StepError::NewRoot {
            path: place.to_owned(),
            source,
        }
    })
}

/// Puts everything that the plan names into the new root.
pub(super) fn fill(isolation: &Isolation, ids: Option<Ids>) -> Result<(), StepError> {
    // The jail's user must pass the folders that are made here, with whatever mask the runner was started.
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    for entry in &isolation.entries {
        let target = place_for(entry, &isolation.place)?;
        match (entry.access, isolation.by) {
            // The host's own node belongs to others: this one belongs to the jail's user.
            (Access::Device, Maker::Root) => make_device(entry, &target, ids)?,
            _ => bind(entry, &target)?,
        }
    }
    Ok(())
}

/// Makes an empty file or folder, for a mount to be put on, or nothing for a device to be made.
fn place_for(entry: &Entry, root: &Path) -> Result<PathBuf, StepError> {
    if entry
        .inside
        .components()
        .any(|part| part == Component::ParentDir)
    {
        return Err(StepError::Climbing {
            path: entry.inside.clone(),
        });
    }
    let target = root.join(entry.inside.strip_prefix("/").unwrap_or(&entry.inside));
    let make = || -> std::io::Result<()> {
        if fs::metadata(&entry.host)?.is_dir() {
            return fs::create_dir_all(&target);
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        match entry.access {
            Access::Device => Ok(()),
            _ => File::create(&target).map(drop),
        }
    };
    make().map_err(|source| StepError::Place {
        path: entry.host.clone(),
        source,
    })?;
    Ok(target)
}

fn make_device(entry: &Entry, target: &Path, ids: Option<Ids>) -> Result<(), StepError> {
    let failed = |source| StepError::Device {
        path: entry.host.clone(),
        source,
    };
    let node = fs::metadata(&entry.host).map_err(|source| StepError::Place {
        path: entry.host.clone(),
        source,
    })?;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(target, SFlag::S_IFCHR, mode, node.rdev()).map_err(failed)?;
    let Some(ids) = ids else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(ids.uid), Gid::from_raw(ids.gid));
    chown(target, Some(uid), Some(gid)).map_err(failed)
}

fn bind(entry: &Entry, target: &Path) -> Result<(), StepError> {
    // Without the file, as a user may have none.
    if entry.access == Access::Device {
        File::create(target).map_err(|source| StepError::Place {
            path: entry.host.clone(),
            source,
        })?;
    }
    let host = entry.host.as_path();
    mount(Some(host), target, NONE, MsFlags::MS_BIND, NONE).map_err(|source| StepError::Bind {
        path: host.to_owned(),
        source,
    })?;
    let restrict = || -> nix::Result<()> {
        let mut flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID;
        flags.set(MsFlags::MS_RDONLY, entry.access == Access::ReadOnly);
        flags.set(MsFlags::MS_NODEV, entry.access != Access::Device);
        // What the host's mount forbids stays forbidden: a user may not even ask for more.
        let present = statvfs(target)?.flags();
        for (present_flag, flag) in [
            (FsFlags::ST_RDONLY, MsFlags::MS_RDONLY),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        ] {
            if present.contains(present_flag) {
                flags |= flag;
            }
        }
        mount(NONE, target, NONE, flags, NONE)
    };
    restrict().map_err(|source| StepError::Restrict {
        path: host.to_owned(),
        source,
    })
}

/// Makes the mount at `place` the root.
pub(super) fn pivot(place: &Path) -> Result<(), StepError> {
    chdir(place).map_err(StepError::Enter)?;
    // With both in the same place no folder is needed to put the old root in: it comes to lie on
    // top of the new one, from where it is detached.
    pivot_root(".", ".").map_err(StepError::Pivot)?;
    umount2(".", MntFlags::MNT_DETACH).map_err(StepError::Detach)?;
    chdir("/").map_err(StepError::Enter)
}

/// Nothing can be added to the root any more.
pub(super) fn seal() -> Result<(), StepError> {
    let flags = MsFlags::MS_BIND
        | MsFlags::MS_REMOUNT
        | MsFlags::MS_RDONLY
        | MsFlags::MS_NOSUID
        | MsFlags::MS_NOEXEC;
    mount(NONE, "/", NONE, flags, NONE).map_err(StepError::Seal)
}
