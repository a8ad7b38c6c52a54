//! The name of a guest, and its network: loopback, and one interface more where that was ordered.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use bencher_output_protocol::Network;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use nix::unistd::sethostname;

use crate::error::{InitError, errno};
use crate::netlink::Netlink;
use crate::sys::bring_interface_up;

/// What the kernel calls the first Ethernet interface: there is no other.
const INTERFACE: &str = "eth0";

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

/// Gives the guest's interface what was ordered, and brings it up.
pub(crate) fn connect(network: &Network) -> Result<(), InitError> {
    let failed = |step| {
        move |source| InitError::Network {
            step,
            interface: INTERFACE,
            source,
        }
    };
    let index = index().map_err(failed("find"))?;
    // There is no way out by IPv6, and without it nothing waits for one.
    turn_ipv6_off().map_err(failed("turn IPv6 off on"))?;
    let mut netlink = Netlink::open().map_err(failed("configure"))?;
    netlink.bring_up(index).map_err(failed("bring up"))?;
    netlink
        .add_address(index, network.address, network.prefix)
        .map_err(failed("give an address to"))?;
    netlink
        .add_default_route(network.gateway)
        .map_err(failed("route through"))
}

fn index() -> nix::Result<u32> {
    let text = std::fs::read_to_string(format!("/sys/class/net/{INTERFACE}/ifindex"))
        .map_err(|error| errno(&error))?;
    text.trim().parse().map_err(|_| Errno::EINVAL)
}

fn turn_ipv6_off() -> nix::Result<()> {
    let file = format!("/proc/sys/net/ipv6/conf/{INTERFACE}/disable_ipv6");
    match std::fs::write(file, "1") {
        // The kernel has none.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| errno(&error)),
    }
}

/// Sets the host name of this machine or namespace.
pub(crate) fn set_host_name(name: &str) -> Result<(), InitError> {
    sethostname(name).map_err(|source| InitError::HostName {
        name: name.to_owned(),
        source,
    })
}
