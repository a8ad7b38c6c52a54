//! The name and the only network interface that every guest has.

use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::sethostname;

use std::os::fd::AsFd;

use crate::error::InitError;
use crate::sys::bring_interface_up;

/// Brings `lo` up. The kernel then gives it 127.0.0.1 and `::1`.
pub(crate) fn bring_loopback_up() -> Result<(), InitError> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(InitError::Loopback)?;
    bring_interface_up(socket.as_fd(), "lo").map_err(InitError::Loopback)
}

/// Sets the host name of this machine or namespace.
pub(crate) fn set_host_name(name: &str) -> Result<(), InitError> {
    sethostname(name).map_err(|source| InitError::HostName {
        name: name.to_owned(),
        source,
    })
}
