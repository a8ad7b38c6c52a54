//! The stream as a vsock connection.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, VsockAddr, connect, socket};

use crate::error::InitError;

/// The number of every guest's host (`VMADDR_CID_HOST`, `include/uapi/linux/vm_sockets.h`).
const HOST: u32 = 2;

/// Connects to `port` of the host. The device is there since its driver was loaded.
pub(super) fn connect_to_host(port: u32) -> Result<OwnedFd, InitError> {
    let failed = |source: Errno| InitError::OpenStream {
        path: format!("vsock port {port} of the host"),
        source,
    };
    let socket = socket(
        AddressFamily::Vsock,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map_err(failed)?;
    loop {
        match connect(socket.as_raw_fd(), &VsockAddr::new(HOST, port)) {
            Ok(()) => return Ok(socket),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
