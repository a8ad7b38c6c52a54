//! What the host says to a guest.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::LogLevel;
use crate::ProtocolError;
use crate::frame::{self, MAX_HOST_PAYLOAD, PROTOCOL_VERSION, RawFrame};

/// A message of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostMessage {
    /// The host's version is the guest's.
    Hello,
    /// What to run.
    Orders(Box<Orders>),
    /// End the command now.
    Stop(Stop),
}

/// What the guest is to do. Sent once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Orders {
    /// Where the image's root filesystem is.
    pub root: Root,
    /// The guest's host name.
    pub hostname: String,
    /// The command and its arguments; never empty.
    pub arguments: Vec<Vec<u8>>,
    /// The whole environment, each `NAME=value`.
    pub environment: Vec<Vec<u8>>,
    /// The working directory; made when the image lacks it, as container engines do.
    pub working_directory: Vec<u8>,
    /// `user[:group]`, names or ids, looked up in the image; empty for root.
    pub user: String,
    /// The signal that asks the command to end, 1 to 64.
    pub stop_signal: u8,
    /// Files and folders to collect once the command has ended.
    pub outputs: Vec<Vec<u8>>,
    /// What bounds the answer.
    pub limits: Limits,
    /// The least important log lines to send.
    pub log_level: LogLevel,
    /// The network beside loopback; `None` for loopback alone.
    pub network: Option<Network>,
    /// Where the command's memory is laid out.
    pub layouts: Layouts,
}

/// Where the parts of a program are in its memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Layouts {
    /// At the same places at each start.
    Fixed,
    /// At random ones (ASLR).
    Random,
}

/// The guest's way out: its one Ethernet interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// The interface's address.
    pub address: Ipv4Addr,
    /// How many leading bits of it are those of its network, at most 32.
    pub prefix: u8,
    /// Where everything else is reached through.
    pub gateway: Ipv4Addr,
    /// Whom to ask for the addresses of names; none leaves the image's own configuration.
    pub name_servers: Vec<Ipv4Addr>,
}

/// Where the image's root filesystem is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Root {
    /// An ext4 filesystem on this block device.
    Disk {
        /// The device's path in the guest, e.g. `/dev/pmem0`.
        device: String,
    },
    /// A folder that is already there (no VM).
    Directory {
        /// Its absolute path.
        path: Vec<u8>,
    },
}

/// What bounds a guest's answer. What exceeds a limit is cut and counted, never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of standard output to send, and as many of standard error.
    pub output_bytes: u64,
    /// Files to send.
    pub file_count: u32,
    /// Bytes of each file to send.
    pub file_bytes: u64,
    /// Bytes of all files together to send.
    pub total_file_bytes: u64,
}

/// How to end the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// Time between the orders' stop signal and `SIGKILL` to every process, in milliseconds.
    /// With 0 the kill comes at once.
    pub grace_milliseconds: u64,
}

mod kind {
    pub(super) const HELLO: u8 = 129;
    pub(super) const ORDERS: u8 = 130;
    pub(super) const STOP: u8 = 131;
}

impl HostMessage {
    /// The name of this kind of message in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::Orders(_) => "orders",
            Self::Stop(_) => "stop",
        }
    }

    /// The whole frame of this message.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Unsendable`] when it exceeds [`MAX_HOST_PAYLOAD`].
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        let name = self.name();
        let (kind, payload) = match self {
            Self::Hello => (kind::HELLO, Ok(frame::encode_hello(PROTOCOL_VERSION, &[]))),
            Self::Orders(orders) => (kind::ORDERS, postcard::to_allocvec(orders)),
            Self::Stop(stop) => (kind::STOP, postcard::to_allocvec(stop)),
        };
        let payload = payload.map_err(|error| ProtocolError::Malformed {
            index: 0,
            name,
            reason: error.to_string(),
        })?;
        frame::encode(name, kind, &payload, MAX_HOST_PAYLOAD)
    }

    pub(crate) fn decode(raw: &RawFrame<'_>) -> Result<Self, ProtocolError> {
        match raw.kind {
            kind::HELLO => {
                let rest = frame::decode_hello(raw)?;
                frame::decode_document::<()>(raw, rest, "hello").map(|()| Self::Hello)
            }
            kind::ORDERS => frame::decode_document(raw, raw.payload, "orders").map(Self::Orders),
            kind::STOP => frame::decode_document(raw, raw.payload, "stop").map(Self::Stop),
            kind => Err(ProtocolError::UnknownKind {
                index: raw.index,
                kind,
            }),
        }
    }
}
