//! The image's root file system on a host, and its way to `/`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bencher_output_protocol::Root;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::{chdir, pivot_root};

use crate::error::{InitError, Reason};
use crate::image::Setting;

/// Where a disk is mounted until it is the root. In a private mount namespace this hides the
/// host's folder from nobody but init.
const PLACE: &str = "/tmp";

/// Mounts what was ordered where only this mount namespace sees it, and returns where. A host's
/// root gets it without devices: images bring what they like.
pub(super) fn mount_root(root: &Root, setting: Setting) -> Result<PathBuf, InitError> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .map_err(|source| InitError::mount("private mounts", "/", source))?;
    match root {
        Root::Disk { .. } if setting == Setting::HostUser => Err(InitError::Root(Reason::new(
            "only root may mount a disk: order a folder, or run as root",
        ))),
        Root::Disk { device } => {
            let flags = MsFlags::MS_NODEV;
            mount(
                Some(device.as_str()),
                PLACE,
                Some("ext4"),
                flags,
                None::<&str>,
            )
            .map_err(|source| InitError::MountRoot {
                device: device.clone(),
                source,
            })?;
            Ok(PLACE.into())
        }
        Root::Directory { path } => {
            let path = Path::new(OsStr::from_bytes(path));
            mount_folder(path, setting).map_err(|source| InitError::MountRoot {
                device: path.display().to_string(),
                source,
            })?;
            Ok(path.into())
        }
    }
}

/// Makes a folder a mount, as the root must be one.
fn mount_folder(path: &Path, setting: Setting) -> nix::Result<()> {
    let bind = MsFlags::MS_BIND;
    mount(Some(path), path, None::<&str>, bind, None::<&str>)?;
    if setting == Setting::HostUser {
        // Users can neither make devices nor open those of others.
        return Ok(());
    }
    let mut flags = bind | MsFlags::MS_REMOUNT | MsFlags::MS_NODEV;
    let present = statvfs(path)?.flags();
    flags.set(MsFlags::MS_RDONLY, present.contains(FsFlags::ST_RDONLY));
    flags.set(MsFlags::MS_NOSUID, present.contains(FsFlags::ST_NOSUID));
    flags.set(MsFlags::MS_NOEXEC, present.contains(FsFlags::ST_NOEXEC));
    mount(None::<&str>, path, None::<&str>, flags, None::<&str>)
}

/// Makes the mount at `place` the root, and lets go of the host's.
pub(super) fn pivot(place: &Path) -> Result<(), InitError> {
    // With both in the same place no folder is needed to put the old root in: it comes to lie on
    // top of the new one, from where it is detached.
    chdir(place)
        .and_then(|()| pivot_root(".", "."))
        .and_then(|()| umount2(".", MntFlags::MNT_DETACH))
        .and_then(|()| chdir("/"))
        .map_err(InitError::SwitchRoot)
}
