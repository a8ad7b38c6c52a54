//! Gzip (RFC 1952): any number of members, then possibly zeros.
//!
//! flate2's own gzip reader rejects the zeros that tapes and block devices leave behind the last
//! member, and allocates a new state for each member, of which an eStargz layer has one per file.

use std::fmt;
use std::io::{self, BufRead, Read};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::DecompressError;
use crate::blob::BlobFile;

/// Reads what gzip data decompresses to.
pub(crate) struct GzipReader<R> {
    input: R,
    inflate: Decompress,
    crc: Crc,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the first member.
    Start,
    /// In a member's data.
    Data,
    /// Behind a member: another one, zeros or the end follow.
    Between,
}

impl<R: BufRead> GzipReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self {
            input,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            state: State::Start,
        }
    }

    pub(crate) fn input_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Reads a member's header; `false` at the end of the input.
    fn next_member(&mut self) -> io::Result<bool> {
        if self.state == State::Between {
            match self.input.fill_buf()?.first() {
                None => return Ok(false),
                Some(0) => return self.skip_zeros(),
                Some(_) => {}
            }
        }
        let header: [u8; 10] = self.bytes()?;
        if !header.starts_with(&[0x1f, 0x8b]) && self.state == State::Between {
            return Err(DecompressError::GzipTrailing.into());
        }
        self.skip_header_fields(&header)?;
        self.inflate.reset(false);
        self.crc.reset();
        self.state = State::Data;
        Ok(true)
    }

    fn skip_header_fields(&mut self, header: &[u8; 10]) -> io::Result<()> {
        const HEADER_CRC: u8 = 0x02;
        const EXTRA: u8 = 0x04;
        const NAME: u8 = 0x08;
        const COMMENT: u8 = 0x10;
        const RESERVED: u8 = 0xe0;
        let &[0x1f, 0x8b, 8, flags, ..] = header else {
            return Err(DecompressError::GzipHeader.into());
        };
        if flags & RESERVED != 0 {
            return Err(DecompressError::GzipHeader.into());
        }
        if flags & EXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.bytes()?) {
                self.bytes::<1>()?;
            }
        }
        for field in [NAME, COMMENT] {
            if flags & field != 0 {
                while self.bytes()? != [0] {}
            }
        }
        if flags & HEADER_CRC != 0 {
            // The header says nothing that this reader believes, so its check sum is skipped.
            self.bytes::<2>()?;
        }
        Ok(())
    }

    fn check_trailer(&mut self) -> io::Result<()> {
        let [c0, c1, c2, c3, l0, l1, l2, l3] = self.bytes()?;
        let crc = u32::from_le_bytes([c0, c1, c2, c3]);
        let len = u32::from_le_bytes([l0, l1, l2, l3]);
        if (crc, len) != (self.crc.sum(), self.crc.amount()) {
            return Err(DecompressError::GzipChecksum.into());
        }
        self.state = State::Between;
        Ok(())
    }

    /// Zeros up to the end, as tapes and block devices leave them: `Ok(false)`.
    fn skip_zeros(&mut self) -> io::Result<bool> {
        loop {
            let bytes = self.input.fill_buf()?;
            match bytes.len() {
                0 => return Ok(false),
                _ if bytes.iter().any(|&byte| byte != 0) => {
                    return Err(DecompressError::GzipTrailing.into());
                }
                len => self.input.consume(len),
            }
        }
    }

    fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.input
            .read_exact(&mut bytes)
            .map_err(|error| match error.kind() {
                // The input reports a file that became shorter with words of its own.
                io::ErrorKind::UnexpectedEof if error.get_ref().is_none() => {
                    DecompressError::GzipTruncated.into()
                }
                _ => error,
            })?;
        Ok(bytes)
    }
}

impl<R: BufRead> Read for GzipReader<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        loop {
            if self.state != State::Data && !self.next_member()? {
                return Ok(0);
            }
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
            let status = self
                .inflate
                .decompress(input, out, FlushDecompress::None)
                .map_err(|_| DecompressError::GzipData)?;
            // Both are at most the length of a buffer.
            let consumed = usize::try_from(self.inflate.total_in() - before_in)
                .map_err(|_| DecompressError::GzipData)?;
            let produced = usize::try_from(self.inflate.total_out() - before_out)
                .map_err(|_| DecompressError::GzipData)?;
            self.input.consume(consumed);
            self.crc.update(&out[..produced]);
            if status == Status::StreamEnd {
                self.check_trailer()?;
            } else if consumed == 0 && produced == 0 {
                let error = if at_end {
                    DecompressError::GzipTruncated
                } else {
                    DecompressError::GzipData
                };
                return Err(error.into());
            }
            if produced > 0 {
                return Ok(produced);
            }
        }
    }
}

impl<R: fmt::Debug> fmt::Debug for GzipReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GzipReader")
            .field("input", &self.input)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// What the trailer says that the data decompresses to. The trailer knows only the last member's
/// length, modulo 4 GiB: `None` where it cannot be the whole.
pub(crate) fn size_hint(blob: &BlobFile) -> Option<u64> {
    let mut trailer = [0; 4];
    blob.read_exact_at(&mut trailer, blob.len().checked_sub(4)?)
        .ok()?;
    let len = u64::from(u32::from_le_bytes(trailer));
    // The worst that deflate does to incompressible data is nine bits for a byte, and the frame.
    let least = blob.len() - blob.len() / 8;
    (len.saturating_add(1024) >= least).then_some(len)
}
