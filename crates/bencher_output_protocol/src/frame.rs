//! The frame header and the numbers that bound it.

use crate::ProtocolError;

/// The version that [`crate::GuestMessage::Hello`] and [`crate::HostMessage::Hello`] carry.
/// Any change of a message's layout raises it.
pub const PROTOCOL_VERSION: u16 = 1;

/// Bytes in front of each payload: the length (4) and the kind (1).
pub const HEADER_LENGTH: usize = 5;

/// The most bytes that one data frame carries. As large as a pipe, so that one read fills it.
pub const MAX_DATA: usize = 64 * 1024;

/// The largest payload, in bytes, that the host accepts from a guest.
pub const MAX_GUEST_PAYLOAD: u32 = 64 * 1024;

/// The largest payload, in bytes, that a guest accepts from the host: orders carry an environment
/// and arguments, which Linux itself bounds to 6 MiB (`_STK_LIM / 4 * 3`, fs/exec.c).
pub const MAX_HOST_PAYLOAD: u32 = 8 * 1024 * 1024;

/// One frame as it came off the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RawFrame<'a> {
    pub(crate) index: u64,
    pub(crate) kind: u8,
    pub(crate) payload: &'a [u8],
}

/// The header of a frame of `kind` whose payload is `length` bytes long.
pub(crate) fn header(kind: u8, length: u32) -> [u8; HEADER_LENGTH] {
    let [a, b, c, d] = length.to_le_bytes();
    [a, b, c, d, kind]
}

/// The header of a data frame that carries `length` bytes, for a sender that puts the payload
/// beside it (a `writev`) instead of copying it. `kind` is one of [`crate::GuestMessage::STDOUT`],
/// [`crate::GuestMessage::STDERR`] and [`crate::GuestMessage::FILE_DATA`].
///
/// # Panics
///
/// When `length` exceeds [`MAX_DATA`]: the sender's buffer is too large.
pub fn data_header(kind: u8, length: usize) -> [u8; HEADER_LENGTH] {
    assert!(length <= MAX_DATA, "a data frame of {length} bytes");
    header(kind, u32::try_from(length).unwrap_or(u32::MAX))
}

/// A whole frame around `payload`.
///
/// # Errors
///
/// [`ProtocolError::Unsendable`] when `payload` exceeds `limit`.
pub(crate) fn encode(
    name: &'static str,
    kind: u8,
    payload: &[u8],
    limit: u32,
) -> Result<Vec<u8>, ProtocolError> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|&length| length <= limit)
        .ok_or(ProtocolError::Unsendable {
            name,
            length: payload.len(),
            limit,
        })?;
    let mut frame = Vec::with_capacity(HEADER_LENGTH + payload.len());
    frame.extend_from_slice(&header(kind, length));
    frame.extend_from_slice(payload);
    Ok(frame)
}

/// A hello payload: magic, then the version. This layout is the same in every version.
const HELLO_MAGIC: [u8; 4] = *b"BRUN";

pub(crate) fn encode_hello(version: u16, rest: &[u8]) -> Vec<u8> {
    let mut payload = HELLO_MAGIC.to_vec();
    payload.extend_from_slice(&version.to_le_bytes());
    payload.extend_from_slice(rest);
    payload
}

/// Checks magic and version of a hello payload and returns what follows them.
pub(crate) fn decode_hello<'a>(raw: &RawFrame<'a>) -> Result<&'a [u8], ProtocolError> {
    let malformed = |reason: &str| ProtocolError::Malformed {
        index: raw.index,
        name: "hello",
        reason: reason.to_owned(),
    };
    let rest = raw
        .payload
        .strip_prefix(&HELLO_MAGIC)
        .ok_or_else(|| malformed("it does not begin with the protocol's magic"))?;
    let (version, rest) = rest
        .split_first_chunk::<2>()
        .ok_or_else(|| malformed("it ends before the version"))?;
    let theirs = u16::from_le_bytes(*version);
    if theirs == PROTOCOL_VERSION {
        Ok(rest)
    } else {
        Err(ProtocolError::Version {
            ours: PROTOCOL_VERSION,
            theirs,
        })
    }
}

/// Decodes a postcard payload, refusing bytes after its end.
pub(crate) fn decode_document<'a, T: serde::Deserialize<'a>>(
    raw: &RawFrame<'a>,
    payload: &'a [u8],
    name: &'static str,
) -> Result<T, ProtocolError> {
    let malformed = |reason: String| ProtocolError::Malformed {
        index: raw.index,
        name,
        reason,
    };
    let (message, rest) =
        postcard::take_from_bytes(payload).map_err(|error| malformed(error.to_string()))?;
    if rest.is_empty() {
        Ok(message)
    } else {
        Err(malformed(format!("{} bytes follow its end", rest.len())))
    }
}
