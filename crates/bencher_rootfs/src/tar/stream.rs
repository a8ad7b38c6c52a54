//! Byte-level access to the source of an archive.

use std::io::{BufRead, ErrorKind};

use super::error::TarError;
use super::header::BLOCK;

/// A source that knows how much of it was read.
#[derive(Debug)]
pub(super) struct Stream<R> {
    source: R,
    position: u64,
}

/// How much of a block was there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum BlockRead {
    Whole,
    Partial,
    End,
}

impl<R: BufRead> Stream<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            position: 0,
        }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    pub(super) fn into_inner(self) -> R {
        self.source
    }

    /// The number of bytes at hand; none at the end.
    pub(super) fn available(&mut self) -> Result<usize, TarError> {
        loop {
            match self.source.fill_buf() {
                Ok(bytes) => return Ok(bytes.len()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(TarError::Read {
                        position: self.position,
                        source,
                    });
                }
            }
        }
    }

    /// The bytes at hand, without taking them.
    pub(super) fn peek(&mut self) -> Result<&[u8], TarError> {
        self.available()?;
        let position = self.position;
        self.source
            .fill_buf()
            .map_err(|source| TarError::Read { position, source })
    }

    /// Takes bytes that are at hand.
    pub(super) fn consume(&mut self, count: usize) {
        self.source.consume(count);
        self.position += count as u64;
    }

    pub(super) fn read_block(&mut self, block: &mut [u8; BLOCK]) -> Result<BlockRead, TarError> {
        let mut have = 0;
        while have < BLOCK {
            let bytes = self.peek()?;
            if bytes.is_empty() {
                return Ok(match have {
                    0 => BlockRead::End,
                    _ => BlockRead::Partial,
                });
            }
            let length = bytes.len().min(BLOCK - have);
            block[have..have + length].copy_from_slice(&bytes[..length]);
            self.consume(length);
            have += length;
        }
        Ok(BlockRead::Whole)
    }

    /// Skips so many bytes; tells whether they were there.
    pub(super) fn skip(&mut self, count: u64) -> Result<bool, TarError> {
        let mut left = count;
        while left > 0 {
            let available = self.available()?;
            if available == 0 {
                return Ok(false);
            }
            let length = usize::try_from(left).unwrap_or(usize::MAX).min(available);
            self.consume(length);
            left -= length as u64;
        }
        Ok(true)
    }
}
