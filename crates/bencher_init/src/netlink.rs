//! The few questions to the kernel's routing socket that configure an interface.
//!
//! ```text
//! message:    length u32 | type u16 | flags u16 | sequence u32 | port u32 | body | attributes…
//! attribute:  length u16 | type u16 | value, padded to 4 bytes
//! answer:     a message of type 2, whose body begins with a negated error number
//! ```
//!
//! All in the machine's byte order. Source: `rtnetlink(7)`, `linux/netlink.h`, `linux/rtnetlink.h`.

use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

/// What comes before a message's body.
const HEADER: usize = 16;

/// A message that is an answer.
const ERROR: u16 = 2;

const REQUEST: u16 = 0x1;
const ACKNOWLEDGE: u16 = 0x4;
const CREATE: u16 = 0x400;

/// A routing socket.
#[derive(Debug)]
pub(crate) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    pub(crate) fn open() -> nix::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Brings the interface `index` up.
    pub(crate) fn bring_up(&mut self, index: u32) -> nix::Result<()> {
        self.ask(&bring_up(index))
    }

    /// Gives the interface `index` an address.
    pub(crate) fn add_address(
        &mut self,
        index: u32,
        address: Ipv4Addr,
        prefix: u8,
    ) -> nix::Result<()> {
        self.ask(&add_address(index, address, prefix))
    }

    /// Sends everything that has no other way through `gateway`.
    pub(crate) fn add_default_route(&mut self, gateway: Ipv4Addr) -> nix::Result<()> {
        self.ask(&add_default_route(gateway))
    }

    fn ask(&mut self, message: &Message) -> nix::Result<()> {
        self.sequence += 1;
        let bytes = message.encode(self.sequence);
        let kernel = NetlinkAddr::new(0, 0);
        sendto(self.socket.as_raw_fd(), &bytes, &kernel, MsgFlags::empty())?;
        let mut answer = [0; 4096];
        loop {
            match recv(self.socket.as_raw_fd(), &mut answer, MsgFlags::empty()) {
                Ok(length) => return understand(&answer[..length]),
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// A request without its header.
#[derive(Debug)]
struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Message {
    fn attribute(mut self, kind: u16, address: Ipv4Addr) -> Self {
        const LENGTH: u16 = 8;
        self.body.extend(LENGTH.to_ne_bytes());
        self.body.extend(kind.to_ne_bytes());
        self.body.extend(address.octets());
        self
    }

    fn encode(&self, sequence: u32) -> Vec<u8> {
        let length = u32::try_from(HEADER + self.body.len()).unwrap_or(u32::MAX);
        let flags = self.flags | REQUEST | ACKNOWLEDGE;
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(self.kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend(sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(&self.body);
        bytes
    }
}

/// `RTM_NEWLINK` with `struct ifinfomsg`.
fn bring_up(index: u32) -> Message {
    const UP: u32 = 1;
    let mut body = vec![0; 4];
    for number in [index, UP, UP] {
        body.extend(number.to_ne_bytes());
    }
    Message {
        kind: libc::RTM_NEWLINK,
        flags: 0,
        body,
    }
}

/// `RTM_NEWADDR` with `struct ifaddrmsg`, `IFA_ADDRESS` and `IFA_LOCAL`.
fn add_address(index: u32, address: Ipv4Addr, prefix: u8) -> Message {
    let mut body = vec![FAMILY, prefix, 0, 0];
    body.extend(index.to_ne_bytes());
    Message {
        kind: libc::RTM_NEWADDR,
        flags: CREATE,
        body,
    }
    .attribute(libc::IFA_ADDRESS, address)
    .attribute(libc::IFA_LOCAL, address)
}

/// `RTM_NEWROUTE` with `struct rtmsg` and `RTA_GATEWAY`: of the main table, made at boot, to
/// anywhere, for one receiver.
fn add_default_route(gateway: Ipv4Addr) -> Message {
    const MAIN: u8 = 254;
    const BOOT: u8 = 3;
    const UNIVERSE: u8 = 0;
    const UNICAST: u8 = 1;
    let mut body = vec![FAMILY, 0, 0, 0, MAIN, BOOT, UNIVERSE, UNICAST];
    body.extend(0_u32.to_ne_bytes());
    Message {
        kind: libc::RTM_NEWROUTE,
        flags: CREATE,
        body,
    }
    .attribute(libc::RTA_GATEWAY, gateway)
}

/// `AF_INET`.
const FAMILY: u8 = 2;

fn understand(answer: &[u8]) -> nix::Result<()> {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok());
    let code = answer.get(HEADER..HEADER + 4);
    let code = code.and_then(|bytes| bytes.try_into().ok());
    match (kind.map(u16::from_ne_bytes), code.map(i32::from_ne_bytes)) {
        (Some(ERROR), Some(0)) => Ok(()),
        (Some(ERROR), Some(code)) => Err(Errno::from_raw(code.saturating_neg())),
        _ => Err(Errno::EPROTO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_as_long_as_it_says() {
        let address = Ipv4Addr::new(198, 18, 0, 2);
        for (message, length) in [
            (bring_up(2), 32),
            (add_address(2, address, 30), 40),
            (add_default_route(address), 36),
        ] {
            let bytes = message.encode(7);
            assert_eq!(bytes.len(), length);
            assert_eq!(bytes[..4], u32::try_from(length).unwrap().to_ne_bytes());
            assert_eq!(bytes[8..12], 7_u32.to_ne_bytes());
        }
        let bytes = add_address(2, address, 30).encode(1);
        assert!(bytes.ends_with(&[198, 18, 0, 2]), "{bytes:?}");
    }

    #[test]
    fn an_answer_is_a_success_an_error_or_none() {
        let answer = |kind: u16, code: i32| {
            let mut bytes = vec![0; HEADER];
            bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
            bytes.extend(code.to_ne_bytes());
            bytes
        };
        assert_eq!(understand(&answer(ERROR, 0)), Ok(()));
        assert_eq!(understand(&answer(ERROR, -17)), Err(Errno::EEXIST));
        assert_eq!(understand(&answer(3, 0)), Err(Errno::EPROTO));
        assert_eq!(understand(&[]), Err(Errno::EPROTO));
        assert_eq!(understand(&answer(ERROR, 0)[..18]), Err(Errno::EPROTO));
    }

    #[test]
    fn the_kernel_refuses_what_is_not_there() {
        let mut netlink = Netlink::open().unwrap();
        let error = netlink.bring_up(u32::MAX >> 1).unwrap_err();
        assert!(matches!(error, Errno::ENODEV | Errno::EPERM), "{error}");
    }
}
