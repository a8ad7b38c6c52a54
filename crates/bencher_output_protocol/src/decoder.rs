//! Bytes in, frames out, with bounded memory.

use crate::frame::{HEADER_LENGTH, MAX_GUEST_PAYLOAD, MAX_HOST_PAYLOAD, RawFrame};
use crate::{GuestMessage, HostMessage, ProtocolError};

/// Cuts a byte stream into frames.
///
/// The reader asks for [`Decoder::space`], fills a part of it, says how much with
/// [`Decoder::filled`], and takes messages until there are none left. The buffer never exceeds one
/// largest frame plus one read, whatever the other side sends: a length beyond the limit is an
/// error before a byte of its payload is stored.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// Bytes `start..end` of the buffer are unread.
    start: usize,
    end: usize,
    /// Frames taken so far.
    index: u64,
    max_payload: u32,
}

/// What one read is offered at least, in bytes.
const READ_SIZE: usize = 64 * 1024;

impl Decoder {
    /// A decoder for what guests send.
    pub fn of_guest() -> Self {
        Self::new(MAX_GUEST_PAYLOAD)
    }

    /// A decoder for what the host sends.
    pub fn of_host() -> Self {
        Self::new(MAX_HOST_PAYLOAD)
    }

    fn new(max_payload: u32) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            index: 0,
            max_payload,
        }
    }

    /// Where the next bytes of the stream go: at least 64 KiB.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let wanted = self.end + READ_SIZE;
        if self.buffer.len() < wanted {
            self.buffer.resize(wanted, 0);
        }
        &mut self.buffer[self.end..]
    }

    /// Says that `count` bytes of [`Decoder::space`] now hold data.
    ///
    /// # Panics
    ///
    /// When `count` exceeds the space that was offered.
    pub fn filled(&mut self, count: usize) {
        assert!(count <= self.buffer.len() - self.end, "overfilled decoder");
        self.end += count;
    }

    /// The next message of a guest, or `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// A frame that is too long, of unknown kind or malformed. The stream can not be decoded
    /// beyond it.
    pub fn next_from_guest(&mut self) -> Result<Option<GuestMessage<'_>>, ProtocolError> {
        match self.next_frame()? {
            Some(raw) => GuestMessage::decode(&raw).map(Some),
            None => Ok(None),
        }
    }

    /// The next message of the host, or `None` when more bytes are needed.
    ///
    /// # Errors
    ///
    /// As [`Decoder::next_from_guest`].
    pub fn next_from_host(&mut self) -> Result<Option<HostMessage>, ProtocolError> {
        match self.next_frame()? {
            Some(raw) => HostMessage::decode(&raw).map(Some),
            None => Ok(None),
        }
    }

    /// The position in the stream of the frame that was taken last, from 0.
    pub fn frame_index(&self) -> u64 {
        self.index.saturating_sub(1)
    }

    /// To be called at the end of the stream.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Truncated`] when the stream ended inside a frame.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        match self.end - self.start {
            0 => Ok(()),
            got => Err(ProtocolError::Truncated {
                index: self.index,
                got,
            }),
        }
    }

    fn next_frame(&mut self) -> Result<Option<RawFrame<'_>>, ProtocolError> {
        let unread = &self.buffer[self.start..self.end];
        let Some((header, rest)) = unread.split_first_chunk::<HEADER_LENGTH>() else {
            return Ok(None);
        };
        let [a, b, c, d, kind] = *header;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > self.max_payload {
            return Err(ProtocolError::TooLong {
                index: self.index,
                kind,
                length,
                limit: self.max_payload,
            });
        }
        let length = length as usize;
        if rest.len() < length {
            return Ok(None);
        }
        let payload = self.start + HEADER_LENGTH;
        self.start = payload + length;
        let index = self.index;
        self.index += 1;
        Ok(Some(RawFrame {
            index,
            kind,
            payload: &self.buffer[payload..payload + length],
        }))
    }
}
