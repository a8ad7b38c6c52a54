//! What keeps a command that runs as a host's own root away from the host's kernel. In a virtual
//! machine the kernel is the guest's, and the command may do with it what it likes.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::sys;

/// What container engines leave to root (see `capabilities(7)` for the numbers), but for
/// `CAP_MKNOD`: no device cgroup restricts what the devices could open here.
const KEPT_CAPABILITIES: [u32; 13] = [
    0,  // CHOWN
    1,  // DAC_OVERRIDE
    3,  // FOWNER
    4,  // FSETID
    5,  // KILL
    6,  // SETGID
    7,  // SETUID
    8,  // SETPCAP
    10, // NET_BIND_SERVICE
    13, // NET_RAW
    18, // SYS_CHROOT
    29, // AUDIT_WRITE
    31, // SETFCAP
];

/// Takes all other capabilities from what this process will execute.
pub(crate) fn drop_capabilities() -> nix::Result<()> {
    // Sets of capabilities are 64 bits wide.
    for capability in (0..64).filter(|number| !KEPT_CAPABILITIES.contains(number)) {
        match sys::drop_from_bounding_set(capability) {
            Ok(()) => {}
            // The kernel has no more of them.
            Err(Errno::EINVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where writing to `/proc` would change the host.
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// Makes the host's settings in this namespace's `/proc` read-only.
pub(crate) fn protect_proc() -> nix::Result<()> {
    let flags = MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    for path in READ_ONLY {
        match mount(Some(path), path, None::<&str>, flags, None::<&str>) {
            Ok(()) => {}
            // Kernels are built with and without some of them.
            Err(Errno::ENOENT) => continue,
            Err(error) => return Err(error),
        }
        mount(
            None::<&str>,
            path,
            None::<&str>,
            flags | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY,
            None::<&str>,
        )?;
    }
    Ok(())
}
