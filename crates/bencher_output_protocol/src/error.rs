use thiserror::Error;

/// What can be wrong with the bytes or the order of frames that the other side sent.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ProtocolError {
    /// The length field exceeds what this direction allows.
    #[error(
        "frame {index} (kind {kind}) announces {length} bytes, more than the {limit} bytes allowed"
    )]
    TooLong {
        /// Position of the frame in the stream, from 0.
        index: u64,
        /// The kind byte of the frame.
        kind: u8,
        /// The announced payload length in bytes.
        length: u32,
        /// The largest payload allowed in this direction, in bytes.
        limit: u32,
    },
    /// The kind byte names no message of this direction.
    #[error("frame {index} has the unknown kind {kind}")]
    UnknownKind {
        /// Position of the frame in the stream, from 0.
        index: u64,
        /// The kind byte of the frame.
        kind: u8,
    },
    /// The payload is not a valid message of its kind.
    #[error("frame {index} ({name}) has a malformed payload: {reason}")]
    Malformed {
        /// Position of the frame in the stream, from 0.
        index: u64,
        /// The name of the frame's kind.
        name: &'static str,
        /// What is wrong with the payload.
        reason: String,
    },
    /// The frame is valid but not allowed at this point of the conversation.
    #[error("frame {index} ({name}) is out of turn: {expected}")]
    OutOfTurn {
        /// Position of the frame in the stream, from 0.
        index: u64,
        /// The name of the frame's kind.
        name: &'static str,
        /// What would have been in turn.
        expected: &'static str,
    },
    /// The other side speaks another version of this protocol.
    #[error(
        "the other side speaks version {theirs} of the guest protocol, this side version {ours}: \
         runner and init must come from the same build"
    )]
    Version {
        /// This side's version.
        ours: u16,
        /// The other side's version.
        theirs: u16,
    },
    /// The stream ended inside a frame.
    #[error("the stream ended inside frame {index}, after {got} bytes of it")]
    Truncated {
        /// Position of the frame in the stream, from 0.
        index: u64,
        /// How many bytes of the frame had arrived.
        got: usize,
    },
    /// A message is larger than the other side would accept.
    #[error("{name} takes {length} bytes, more than the {limit} bytes that one frame can carry")]
    Unsendable {
        /// The name of the frame's kind.
        name: &'static str,
        /// The encoded length in bytes.
        length: usize,
        /// The largest payload allowed in this direction, in bytes.
        limit: u32,
    },
}
