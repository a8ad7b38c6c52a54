//! Writing the contents of a layer's files to the backing file, in large pieces.
//!
//! Every file starts on a block of its own, and the rest of its last block is zero. What is
//! between the stored parts of a sparse file is not stored here either, as far as whole blocks go.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::pwritev;

use crate::error::{ReadError, RootfsError};
use crate::layer::{Chunk, ContentSink};
use crate::tree::{BLOCK_SIZE, Segment};

/// Bytes that are collected before they are written.
const BUFFER: usize = 1 << 20;

/// Pieces of at least so many bytes are written without being collected.
const DIRECT: usize = 64 << 10;

/// One block.
const ZEROES: [u8; 4096] = [0; 4096];

/// A stretch of places for contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Run {
    /// Its position in the backing file (or, if it is not stored, anywhere); of whole blocks.
    pub(crate) position: u64,
    /// Its length in bytes; of whole blocks.
    pub(crate) length: u64,
    /// Whether contents are to be written, or only to be counted.
    pub(crate) is_stored: bool,
}

/// Says where contents go.
pub(crate) trait Placement {
    /// The place for what comes after `done` bytes of contents, counted in whole blocks.
    fn next_run(&mut self, done: u64) -> Result<Run, ReadError>;
}

/// The sink for the contents of one layer.
#[derive(Debug)]
pub(crate) struct ContentWriter<'a, P> {
    file: &'a File,
    placement: P,
    /// What is left of the current run.
    run: Run,
    /// Bytes of contents of the whole layer, up to the current position.
    done: u64,
    /// What is not written yet, and where it belongs.
    buffer: Vec<u8>,
    buffer_position: u64,
    /// Where the next byte belongs in the file at hand.
    offset: u64,
    segments: Vec<Segment>,
    /// Where logs may go: behind everything else.
    log_end: &'a AtomicU64,
}

impl<'a, P: Placement> ContentWriter<'a, P> {
    /// Writes to `file` where `placement` says; logs to what is behind `log_end`, which is shared
    /// with other writers to the same file.
    pub(crate) fn new(file: &'a File, placement: P, log_end: &'a AtomicU64) -> Self {
        Self {
            file,
            placement,
            run: Run {
                position: 0,
                length: 0,
                is_stored: false,
            },
            done: 0,
            buffer: Vec::new(),
            buffer_position: 0,
            offset: 0,
            segments: Vec::new(),
            log_end,
        }
    }

    /// Writes what is not written yet. Gives back the placement, and what is left of its last run.
    pub(crate) fn finish(mut self) -> Result<(P, Run), ReadError> {
        self.flush()?;
        Ok((self.placement, self.run))
    }

    fn flush(&mut self) -> Result<(), ReadError> {
        self.write_with(&[])
    }

    /// Writes what was collected, and `more` right behind it.
    fn write_with(&mut self, more: &[u8]) -> Result<(), ReadError> {
        let total = self.buffer.len() + more.len();
        if total == 0 {
            return Ok(());
        }
        let pieces = [IoSlice::new(&self.buffer), IoSlice::new(more)];
        // Nearly always everything; if not, or if it fails, the rest tells.
        let written = pwritev(self.file, &pieces, self.buffer_position).unwrap_or(0);
        for (start, piece) in [(0, &self.buffer[..]), (self.buffer.len(), more)] {
            let done = written.saturating_sub(start).min(piece.len());
            let position = self.buffer_position + (start + done) as u64;
            self.file
                .write_all_at(&piece[done..], position)
                .map_err(RootfsError::write)?;
        }
        self.buffer.clear();
        self.buffer_position += total as u64;
        Ok(())
    }

    /// Adds bytes right behind those before.
    fn append(&mut self, mut bytes: &[u8]) -> Result<(), ReadError> {
        while !bytes.is_empty() {
            if self.run.length == 0 {
                self.flush()?;
                self.run = self.placement.next_run(self.done)?;
            }
            let length = usize::try_from(self.run.length).unwrap_or(usize::MAX);
            let (piece, rest) = bytes.split_at(bytes.len().min(length));
            bytes = rest;
            self.note_segment(piece.len() as u64);
            if self.run.is_stored {
                self.store(piece)?;
            }
            self.advance(piece.len() as u64);
            self.offset += piece.len() as u64;
        }
        Ok(())
    }

    fn advance(&mut self, bytes: u64) {
        self.run.position += bytes;
        self.run.length -= bytes;
        self.done += bytes;
    }

    fn note_segment(&mut self, length: u64) {
        if let Some(last) = self.segments.last_mut()
            && last.offset + last.length == self.offset
            && last.position + last.length == self.run.position
        {
            last.length += length;
            return;
        }
        self.segments.push(Segment {
            offset: self.offset,
            position: self.run.position,
            length,
        });
    }

    /// Collects or writes a piece that belongs to the current position.
    fn store(&mut self, piece: &[u8]) -> Result<(), ReadError> {
        if self.buffer.is_empty() {
            self.buffer_position = self.run.position;
        }
        if piece.len() >= DIRECT {
            // Up to a block's end, so that no page is written twice.
            let misaligned = self.run.position % BLOCK_SIZE;
            let head = usize::try_from((BLOCK_SIZE - misaligned) % BLOCK_SIZE).unwrap_or(0);
            let (head, rest) = piece.split_at(head);
            let (direct, tail) = rest.split_at(rest.len() - rest.len() % ZEROES.len());
            self.buffer.extend_from_slice(head);
            self.write_with(direct)?;
            self.buffer.extend_from_slice(tail);
            return Ok(());
        }
        if self.buffer.len() + piece.len() > BUFFER {
            self.flush()?;
            self.buffer_position = self.run.position;
        }
        if self.buffer.capacity() == 0 {
            self.buffer.reserve_exact(BUFFER);
        }
        self.buffer.extend_from_slice(piece);
        Ok(())
    }

    /// Fills the current block up with zeroes that do not belong to the file.
    fn pad(&mut self) -> Result<(), ReadError> {
        let padding = self.done.wrapping_neg() % BLOCK_SIZE;
        if padding > 0 {
            if self.run.is_stored {
                self.store(&ZEROES[..usize::try_from(padding).unwrap_or(0)])?;
            }
            self.advance(padding);
        }
        Ok(())
    }
}

impl<P: Placement> ContentSink for ContentWriter<'_, P> {
    type Error = ReadError;

    fn write(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ReadError> {
        if offset != self.offset {
            let block = offset - offset % BLOCK_SIZE;
            if self.offset <= block {
                self.pad()?;
                self.offset = block;
            }
            let zeroes = usize::try_from(offset - self.offset).unwrap_or(0);
            self.append(&ZEROES[..zeroes])?;
        }
        self.append(bytes)
    }

    fn keep_chunk(&mut self, chunk: &[u8]) -> Result<Option<Chunk>, ReadError> {
        let length = chunk.len();
        let position = self.log_end.fetch_add(length as u64, Ordering::Relaxed);
        self.file
            .write_all_at(chunk, position)
            .map_err(RootfsError::write)?;
        Ok(Some(Chunk::Stored { position, length }))
    }

    fn end_file(&mut self, segments: &mut Vec<Segment>) -> Result<(), ReadError> {
        self.pad()?;
        segments.append(&mut self.segments);
        self.offset = 0;
        Ok(())
    }
}
