//! Waiting for devices without asking again and again: the kernel announces each change.

use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, socket,
};

use crate::error::InitError;
use crate::poller::{Poller, Source};

/// The multicast group of the kernel's own announcements (`lib/kobject_uevent.c`).
const KERNEL_EVENTS: u32 = 1;

/// A socket that receives an announcement of every change of a device.
#[derive(Debug)]
pub(super) struct DeviceEvents(OwnedFd);

impl DeviceEvents {
    /// To be made before the first look for a device, so that none is missed.
    pub(super) fn listen(poller: &mut Poller) -> Result<Self, InitError> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Datagram,
            SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
            SockProtocol::NetlinkKObjectUEvent,
        )
        .map_err(InitError::DeviceEvents)?;
        bind(socket.as_raw_fd(), &NetlinkAddr::new(0, KERNEL_EVENTS))
            .map_err(InitError::DeviceEvents)?;
        poller.add(&socket, Source::DeviceEvents)?;
        Ok(Self(socket))
    }

    /// Forgets the announcements so far. What they say does not matter: after each of them the
    /// device is looked for again, so that one that was lost (ENOBUFS) is one like the others.
    pub(super) fn forget(&self, poller: &mut Poller) -> Result<(), InitError> {
        let mut event = [0; 512];
        while poller.is_readable(Source::DeviceEvents) {
            match recv(self.0.as_raw_fd(), &mut event, MsgFlags::empty()) {
                Ok(_) | Err(Errno::EINTR | Errno::ENOBUFS) => {}
                Err(Errno::EAGAIN) => poller.drained(Source::DeviceEvents),
                Err(error) => return Err(InitError::DeviceEvents(error)),
            }
        }
        Ok(())
    }
}
