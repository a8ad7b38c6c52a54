//! What is in `/dev`.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, makedev, mknodat};
use nix::unistd::symlinkat;

use super::Setting;
use super::root::{Mount, Resolve, RootFolder};
use crate::error::InitError;

/// Name, major and minor number (Documentation/admin-guide/devices.txt of Linux).
const DEVICES: [(&str, u64, u64); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Only where the console is the guest's own.
const CONSOLE: (&str, u64, u64) = ("console", 5, 1);

/// What leads elsewhere.
const LINKS: [(&str, &str); 5] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Fills the image's `/dev`: with devices of its own in a virtual machine, with the host's on a
/// host, where a user may not make any.
pub(super) fn make_devices(
    root: &RootFolder,
    setting: Setting,
    notes: &mut Vec<String>,
) -> Result<(), InitError> {
    let dev = root.folder("dev", 0o755, Resolve::NoLinks)?;
    let prepare = |name: &str, source| InitError::Prepare {
        path: format!("/dev/{name}"),
        source,
    };
    if setting == Setting::Vm {
        for (name, major, minor) in DEVICES.into_iter().chain([CONSOLE]) {
            let mode = Mode::from_bits_truncate(if name == "console" { 0o600 } else { 0o666 });
            mknodat(&dev, name, SFlag::S_IFCHR, mode, makedev(major, minor))
                .map_err(|error| prepare(name, error))?;
        }
    } else {
        for (name, ..) in DEVICES {
            match bind_device(&dev, name) {
                Ok(()) => {}
                Err(Errno::ENOENT) => {
                    notes.push(format!("/dev/{name} is missing, as it is on the host"));
                }
                Err(error) => return Err(prepare(name, error)),
            }
        }
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name).map_err(|error| prepare(name, error))?;
    }
    Ok(())
}

fn bind_device(dev: &OwnedFd, name: &str) -> nix::Result<()> {
    let host = format!("/dev/{name}");
    nix::sys::stat::stat(host.as_str())?;
    let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let file = openat(dev, name, flags, Mode::from_bits_truncate(0o666))?;
    let what = Mount::Bind {
        path: Path::new(&host),
        recursive: false,
    };
    what.on(file.as_fd())
}
