//! Writing blocks in large pieces.

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::Ext4Error;
use super::format::{BLOCK_BYTES, BLOCK_SIZE, Block};

/// Bytes that are written at once.
const BUFFER_SIZE: usize = 256 * BLOCK_SIZE;

/// Collects blocks that follow each other and writes them together.
#[derive(Debug)]
pub(super) struct BlockWriter<'f> {
    file: &'f File,
    /// Where the buffer belongs, in bytes.
    position: u64,
    buffer: Vec<u8>,
}

impl<'f> BlockWriter<'f> {
    pub(super) fn new(file: &'f File) -> Self {
        Self {
            file,
            position: 0,
            buffer: Vec::new(),
        }
    }

    /// Writes a block, sooner or later.
    pub(super) fn put(&mut self, block: u64, data: &Block) -> Result<(), Ext4Error> {
        let position = block * BLOCK_BYTES;
        let follows = position == self.position + self.buffer.len() as u64;
        if !follows || self.buffer.len() >= BUFFER_SIZE {
            self.flush()?;
            self.position = position;
        }
        self.buffer.extend_from_slice(data);
        Ok(())
    }

    /// Writes all that was put.
    pub(super) fn flush(&mut self) -> Result<(), Ext4Error> {
        write_at(self.file, self.position, &self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes `bytes` at a byte position of the image.
pub(super) fn write_at(file: &File, position: u64, bytes: &[u8]) -> Result<(), Ext4Error> {
    file.write_all_at(bytes, position)
        .map_err(|source| Ext4Error::Write {
            position,
            length: bytes.len() as u64,
            source,
        })
}
