//! The disk with the image's root file system, and its way to `/`.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot};

use super::events::DeviceEvents;
use crate::error::{InitError, errno};
use crate::link::Link;
use crate::poller::Source;

/// Where it is mounted first.
pub(super) const NEW_ROOT: &str = "/newroot";

/// Waits until the block device can be opened. The host may hang up meanwhile.
pub(super) fn wait_for_device(
    device: &str,
    events: &DeviceEvents,
    link: &mut Link,
) -> Result<(), InitError> {
    while !is_ready(device)? {
        link.poller().wait(true)?;
        if link.poller().is_readable(Source::DeviceEvents) {
            events.forget(link.poller())?;
        }
        link.listen()?;
    }
    Ok(())
}

/// The kernel makes the node a moment before the device behind it can be opened (ENXIO), and
/// announces it after both.
fn is_ready(device: &str) -> Result<bool, InitError> {
    match std::fs::File::open(device).map_err(|error| errno(&error)) {
        Ok(_) => Ok(true),
        Err(Errno::ENOENT | Errno::ENXIO) => Ok(false),
        Err(source) => Err(InitError::MountRoot {
            device: device.to_owned(),
            source,
        }),
    }
}

/// Mounts the disk. The flags are those of any disk: times are kept as a container would see them.
pub(super) fn mount_root(device: &str) -> Result<(), InitError> {
    let failed = |source| InitError::MountRoot {
        device: device.to_owned(),
        source,
    };
    std::fs::create_dir(NEW_ROOT).map_err(|error| failed(errno(&error)))?;
    mount(
        Some(device),
        NEW_ROOT,
        Some("ext4"),
        MsFlags::empty(),
        None::<&str>,
    )
    .map_err(failed)
}

/// Makes the mounted disk the root. An initramfs can not be swapped by `pivot_root`, so the disk
/// is moved on top of it.
pub(super) fn switch_root() -> Result<(), InitError> {
    for path in ["/sys", "/dev", "/proc"] {
        umount2(path, MntFlags::MNT_DETACH).map_err(InitError::SwitchRoot)?;
    }
    // Memory that nothing needs any more; this program runs on without its name.
    let _ = std::fs::remove_file("/init");
    chdir(NEW_ROOT)
        .and_then(|()| mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>))
        .and_then(|()| chroot("."))
        .and_then(|()| chdir("/"))
        .map_err(InitError::SwitchRoot)
}
