//! How far the contents of an entry were read.

use super::header::BLOCK;
use super::sparse::Part;

/// A piece of a file's contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data<'a> {
    /// Where it belongs in the file, in bytes. Ascending from piece to piece; what lies between
    /// two pieces is a hole.
    pub offset: u64,
    /// Its bytes, at least one.
    pub bytes: &'a [u8],
}

/// The contents of the entry at hand, as far as they were not given out.
#[derive(Debug, Default)]
pub(super) struct Contents {
    /// Bytes that the archive still has of them.
    pub(super) remaining: u64,
    /// Bytes after them, up to the next block.
    pub(super) padding: u64,
    /// Where the next byte belongs in the file.
    pub(super) offset: u64,
    /// Bytes given out that are still to be taken off the stream.
    pub(super) given: usize,
    /// The stored parts of a sparse file, and the number of those that are done.
    pub(super) parts: Option<(Vec<Part>, usize)>,
}

impl Contents {
    /// So many bytes of the archive.
    pub(super) fn new(stored: u64) -> Self {
        Self {
            remaining: stored,
            padding: padding(stored),
            ..Self::default()
        }
    }

    /// Goes to the next stored byte, and tells how many follow without a hole.
    pub(super) fn seek(&mut self) -> u64 {
        let Some((parts, done)) = &mut self.parts else {
            return self.remaining;
        };
        while let Some(part) = parts.get(*done) {
            let end = part.offset + part.length;
            if self.offset < end {
                self.offset = self.offset.max(part.offset);
                return (end - self.offset).min(self.remaining);
            }
            *done += 1;
        }
        0
    }
}

/// Bytes from the end of contents of such a length to the next block.
pub(super) fn padding(length: u64) -> u64 {
    length.wrapping_neg() % BLOCK as u64
}
