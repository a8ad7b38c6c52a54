//! The entries of a layer in order, in few bytes: about 20 besides the part of the path that
//! differs from the entry before.
//!
//! ```text
//! flags: u8 │ shared, length: varint │ rest of the path │ permissions │ owner │ times │ …
//! ```
//!
//! Whole chunks of a log go to a file, where there is one, so that memory does not grow with the
//! layer. A log is private to this process, and is not checked when it is read.

use std::collections::VecDeque;
use std::fs::File;

use super::codec::{put, put_bytes, put_signed};
use super::replay::LogReader;
use crate::tar::{Entry, EntryKind};
use crate::tree::{BLOCK_SIZE, Segment};

/// Bytes of a chunk, at least, unless it is the last one.
const CHUNK: usize = 64 << 10;

pub(super) const KIND: u8 = 0b0000_1111;
pub(super) const HAS_ACCESSED: u8 = 0b0001_0000;
pub(super) const HAS_XATTRS: u8 = 0b0010_0000;
/// Same owner as the entry before.
pub(super) const SAME_OWNER: u8 = 0b0100_0000;
/// Same extended attributes as the last entry that had any: security labels come in long runs.
pub(super) const SAME_XATTRS: u8 = 0b1000_0000;

const DIRECTORY: u8 = 0;
pub(super) const FILE: u8 = 1;
pub(super) const SYMLINK: u8 = 2;
pub(super) const HARD_LINK: u8 = 3;
pub(super) const CHARACTER_DEVICE: u8 = 4;
pub(super) const BLOCK_DEVICE: u8 = 5;
pub(super) const FIFO: u8 = 6;
pub(super) const WHITEOUT: u8 = 7;
pub(super) const OPAQUE: u8 = 8;

/// What both sides remember of the record before.
#[derive(Clone, Debug, Default)]
pub(super) struct Previous {
    pub(super) path: Vec<u8>,
    pub(super) owner: (u32, u32),
    pub(super) seconds: i64,
    /// Encoded.
    pub(super) xattrs: Vec<u8>,
}

/// A log, which is written first and read once.
#[derive(Debug, Default)]
pub(crate) struct Log {
    chunks: VecDeque<Chunk>,
    /// The chunk that is being written.
    chunk: Vec<u8>,
    previous: Previous,
}

/// A number of whole records.
#[derive(Debug)]
pub(crate) enum Chunk {
    /// In memory.
    Held(Vec<u8>),
    /// In a file.
    Stored {
        /// Where it begins, in bytes.
        position: u64,
        /// Its length in bytes.
        length: usize,
    },
}

impl Log {
    /// Appends an entry with its link target; tells how many bytes of it count as metadata.
    pub(crate) fn push_entry(
        &mut self,
        path: &[u8],
        entry: &Entry,
        target: &[u8],
        segments: &[Segment],
    ) -> u64 {
        let (kind, size) = match entry.kind {
            EntryKind::Directory => (DIRECTORY, 0),
            EntryKind::File { size } => (FILE, size),
            EntryKind::Symlink => (SYMLINK, 0),
            EntryKind::HardLink => (HARD_LINK, 0),
            EntryKind::CharacterDevice { .. } => (CHARACTER_DEVICE, 0),
            EntryKind::BlockDevice { .. } => (BLOCK_DEVICE, 0),
            EntryKind::Fifo => (FIFO, 0),
        };
        if kind == HARD_LINK {
            // Everything else is up to the target.
            let path = self.begin(kind, path);
            return path + put_bytes(&mut self.chunk, target);
        }
        let owner = (entry.uid, entry.gid);
        let xattrs = encode_xattrs(&entry.xattrs);
        let mut flags = kind;
        let mut flag = |bit, set| flags |= if set { bit } else { 0 };
        flag(HAS_ACCESSED, entry.accessed.is_some());
        flag(SAME_OWNER, owner == self.previous.owner);
        flag(HAS_XATTRS, !xattrs.is_empty());
        flag(SAME_XATTRS, xattrs == self.previous.xattrs);

        let mut metadata = self.begin(flags, path);
        let seconds = std::mem::replace(&mut self.previous.seconds, entry.modified.seconds);
        self.previous.owner = owner;
        let chunk = &mut self.chunk;
        put(chunk, u64::from(entry.permissions));
        if flags & SAME_OWNER == 0 {
            put(chunk, u64::from(owner.0));
            put(chunk, u64::from(owner.1));
        }
        put_signed(chunk, entry.modified.seconds.wrapping_sub(seconds));
        put(chunk, u64::from(entry.modified.nanoseconds));
        if let Some(accessed) = entry.accessed {
            put_signed(chunk, accessed.seconds.wrapping_sub(entry.modified.seconds));
            put(chunk, u64::from(accessed.nanoseconds));
        }
        match entry.kind {
            EntryKind::File { .. } => {
                put(chunk, size);
                metadata += put_segments(chunk, size, segments);
            }
            EntryKind::Symlink => metadata += put_bytes(chunk, target),
            EntryKind::CharacterDevice { major, minor }
            | EntryKind::BlockDevice { major, minor } => {
                put(chunk, u64::from(major));
                put(chunk, u64::from(minor));
            }
            EntryKind::Directory | EntryKind::HardLink | EntryKind::Fifo => {}
        }
        if flags & HAS_XATTRS != 0 && flags & SAME_XATTRS == 0 {
            metadata += put_bytes(chunk, &xattrs);
            self.previous.xattrs = xattrs;
        }
        metadata
    }

    /// Appends a whiteout of the entry at `path`, or of what is in the directory there; tells how
    /// many bytes of it count as metadata.
    pub(crate) fn push_whiteout(&mut self, path: &[u8], opaque: bool) -> u64 {
        self.begin(if opaque { OPAQUE } else { WHITEOUT }, path)
    }

    /// Writes what all records begin with.
    fn begin(&mut self, flags: u8, path: &[u8]) -> u64 {
        let before = &self.previous.path;
        let shared = before.iter().zip(path).take_while(|(a, b)| a == b).count();
        let chunk = &mut self.chunk;
        chunk.push(flags);
        put(chunk, shared as u64);
        put_bytes(chunk, &path[shared..]);
        self.previous.path.truncate(shared);
        self.previous.path.extend_from_slice(&path[shared..]);
        (path.len() - shared) as u64
    }

    /// If a chunk is full, lets `keep` put it where chunks are kept.
    pub(crate) fn keep_full_chunk<E>(
        &mut self,
        keep: impl FnOnce(&[u8]) -> Result<Option<Chunk>, E>,
    ) -> Result<(), E> {
        if self.chunk.len() >= CHUNK {
            let kept = keep(&self.chunk)?;
            let kept = kept.unwrap_or_else(|| Chunk::Held(std::mem::take(&mut self.chunk)));
            self.chunks.push_back(kept);
            self.chunk.clear();
        }
        Ok(())
    }

    /// Bytes of all records.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let lengths = self.chunks.iter().map(|chunk| match chunk {
            Chunk::Held(bytes) => bytes.len(),
            Chunk::Stored { length, .. } => *length,
        });
        lengths.sum::<usize>() + self.chunk.len()
    }

    /// Reads the log from its beginning, giving its memory back on the way. `file` is where its
    /// chunks were stored.
    pub(crate) fn into_reader(mut self, file: Option<&File>) -> LogReader<'_> {
        self.chunks.push_back(Chunk::Held(self.chunk));
        LogReader::new(self.chunks, file)
    }
}

/// Writes 0 and the place of a file that is in one piece, else one more than the number of pieces,
/// and those. Tells what they cost in the tree's memory.
fn put_segments(chunk: &mut Vec<u8>, size: u64, segments: &[Segment]) -> u64 {
    if let [only] = segments
        && only.offset == 0
        && only.length == size
    {
        put(chunk, 0);
        put(chunk, only.position / BLOCK_SIZE);
        return 0;
    }
    put(chunk, segments.len() as u64 + 1);
    for segment in segments {
        put(chunk, segment.offset / BLOCK_SIZE);
        put(chunk, segment.position / BLOCK_SIZE);
        put(chunk, segment.length);
    }
    size_of_val(segments) as u64
}

fn encode_xattrs(xattrs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (name, value) in xattrs {
        put_bytes(&mut encoded, name);
        put_bytes(&mut encoded, value);
    }
    encoded
}
