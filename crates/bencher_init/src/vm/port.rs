//! Finding the virtio-serial port that is the stream.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use super::events::DeviceEvents;
use crate::error::InitError;
use crate::poller::Poller;

/// One folder for each port, with its name in the file `name`.
const PORTS: &str = "/sys/class/virtio-ports";

/// Opens the port `name`, as soon as it is there.
pub(super) fn open_port(
    name: &str,
    events: &DeviceEvents,
    poller: &mut Poller,
) -> Result<OwnedFd, InitError> {
    let device = loop {
        let found = find(Path::new(PORTS), name).map_err(|source| InitError::FindPort {
            name: name.to_owned(),
            source,
        })?;
        // The device's node is made after its folder in sysfs is, but before its announcement.
        if let Some(device) = found.filter(|device| device.exists()) {
            break device;
        }
        poller.wait(true)?;
        events.forget(poller)?;
    };
    let flags = OFlag::O_RDWR | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    open(&device, flags, Mode::empty()).map_err(|source| InitError::OpenStream {
        path: device.display().to_string(),
        source,
    })
}

/// The device of the port `name`, if it is listed in `ports`.
fn find(ports: &Path, name: &str) -> io::Result<Option<PathBuf>> {
    let entries = match std::fs::read_dir(ports) {
        Ok(entries) => entries,
        // The driver is not there yet.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        // A port has no name yet, or is gone again.
        let Ok(found) = std::fs::read_to_string(entry.path().join("name")) else {
            continue;
        };
        if found.trim_end_matches('\n') == name {
            return Ok(Some(Path::new("/dev").join(entry.file_name())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_by_its_name() {
        let ports = tempfile::tempdir().unwrap();
        for (port, name) in [
            ("vport0p1", Some("other\n")),
            ("vport0p2", None),
            ("vport1p1", Some("s\n")),
        ] {
            let folder = ports.path().join(port);
            std::fs::create_dir(&folder).unwrap();
            if let Some(name) = name {
                std::fs::write(folder.join("name"), name).unwrap();
            }
        }
        let found = |name| find(ports.path(), name).unwrap();
        assert_eq!(found("s"), Some("/dev/vport1p1".into()));
        assert_eq!(found("oth"), None);
        assert_eq!(find(&ports.path().join("none"), "s").unwrap(), None);
    }
}
