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
use std::io;
use std::os::unix::fs::FileExt;

use super::codec::{Cursor, put, put_bytes, put_signed};
use crate::tar::{Entry, EntryKind};
use crate::tree::{BLOCK_SIZE, Kind, Node, Segment, Timestamp};

/// Bytes of a chunk, at least, unless it is the last one.
const CHUNK: usize = 64 << 10;

const KIND: u8 = 0b0000_1111;
const HAS_ACCESSED: u8 = 0b0001_0000;
const HAS_XATTRS: u8 = 0b0010_0000;
/// Same owner as the entry before.
const SAME_OWNER: u8 = 0b0100_0000;
/// Same extended attributes as the last entry that had any: security labels come in long runs.
const SAME_XATTRS: u8 = 0b1000_0000;

const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const SYMLINK: u8 = 2;
const HARD_LINK: u8 = 3;
const CHARACTER_DEVICE: u8 = 4;
const BLOCK_DEVICE: u8 = 5;
const FIFO: u8 = 6;
const WHITEOUT: u8 = 7;
const OPAQUE: u8 = 8;

/// What both sides remember of the record before.
#[derive(Clone, Debug, Default)]
struct Previous {
    path: Vec<u8>,
    owner: (u32, u32),
    seconds: i64,
    /// Encoded.
    xattrs: Vec<u8>,
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

/// One entry of a log.
#[derive(Debug)]
pub(crate) struct Record<'a> {
    /// Normalised; empty for the root.
    pub(crate) path: &'a [u8],
    pub(crate) kind: RecordKind<'a>,
    xattrs: &'a [u8],
}

/// What an entry of a log is.
#[derive(Debug)]
pub(crate) enum RecordKind<'a> {
    /// A node of its own; if it is a file, its contents are given.
    Node(Node, &'a [Segment]),
    /// A symbolic link with its target.
    Symlink(Node, &'a [u8]),
    /// A further name for the node at this normalised path.
    HardLink(&'a [u8]),
    /// Lower layers have nothing at the path.
    Whiteout,
    /// Lower layers have nothing in the directory at the path.
    Opaque,
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
        LogReader {
            chunks: self.chunks,
            file,
            chunk: Vec::new(),
            place: 0,
            previous: Previous::default(),
            target: Vec::new(),
            segments: Vec::new(),
        }
    }
}

/// Reads a [`Log`].
#[derive(Debug)]
pub(crate) struct LogReader<'a> {
    /// Those not begun.
    chunks: VecDeque<Chunk>,
    file: Option<&'a File>,
    chunk: Vec<u8>,
    place: usize,
    previous: Previous,
    target: Vec<u8>,
    segments: Vec<Segment>,
}

impl LogReader<'_> {
    /// Makes the next chunk the current one; tells whether there was one.
    fn next_chunk(&mut self) -> io::Result<bool> {
        self.place = 0;
        match self.chunks.pop_front() {
            None => return Ok(false),
            Some(Chunk::Held(bytes)) => self.chunk = bytes,
            Some(Chunk::Stored { position, length }) => {
                let file = self.file.ok_or(io::ErrorKind::NotFound)?;
                self.chunk.resize(length, 0);
                file.read_exact_at(&mut self.chunk, position)?;
            }
        }
        Ok(true)
    }

    /// The next record.
    pub(crate) fn next(&mut self) -> io::Result<Option<Record<'_>>> {
        while self.place >= self.chunk.len() {
            if !self.next_chunk()? {
                return Ok(None);
            }
        }
        let chunk = &self.chunk;
        let mut cursor = Cursor(&chunk[self.place..]);
        let flags = cursor.byte();
        let shared = cursor.size();
        self.previous.path.truncate(shared);
        self.previous.path.extend_from_slice(cursor.bytes());
        self.target.clear();
        self.segments.clear();
        let mut has_xattrs = false;
        let kind = match flags & KIND {
            WHITEOUT => RecordKind::Whiteout,
            OPAQUE => RecordKind::Opaque,
            HARD_LINK => {
                self.target.extend_from_slice(cursor.bytes());
                RecordKind::HardLink(&self.target)
            }
            kind => {
                let mut node = cursor.node(flags, &mut self.previous);
                if kind == SYMLINK {
                    self.target.extend_from_slice(cursor.bytes());
                }
                node.kind = match kind {
                    FILE => {
                        let size = cursor.number();
                        cursor.segments(size, &mut self.segments);
                        Kind::File { size }
                    }
                    SYMLINK => Kind::Symlink,
                    CHARACTER_DEVICE => Kind::CharacterDevice {
                        major: cursor.small(),
                        minor: cursor.small(),
                    },
                    BLOCK_DEVICE => Kind::BlockDevice {
                        major: cursor.small(),
                        minor: cursor.small(),
                    },
                    FIFO => Kind::Fifo,
                    _ => Kind::Directory,
                };
                has_xattrs = flags & HAS_XATTRS != 0;
                if has_xattrs && flags & SAME_XATTRS == 0 {
                    self.previous.xattrs.clear();
                    self.previous.xattrs.extend_from_slice(cursor.bytes());
                }
                match node.kind {
                    Kind::Symlink => RecordKind::Symlink(node, &self.target),
                    _ => RecordKind::Node(node, &self.segments),
                }
            }
        };
        self.place = chunk.len() - cursor.0.len();
        Ok(Some(Record {
            path: &self.previous.path,
            kind,
            xattrs: if has_xattrs {
                &self.previous.xattrs
            } else {
                &[]
            },
        }))
    }
}

impl Record<'_> {
    /// Names and values of the extended attributes.
    pub(crate) fn xattrs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut cursor = Cursor(self.xattrs);
        std::iter::from_fn(move || {
            if cursor.0.is_empty() {
                return None;
            }
            Some((cursor.bytes(), cursor.bytes()))
        })
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

impl Cursor<'_> {
    /// The attributes; the kind is left to the caller.
    fn node(&mut self, flags: u8, previous: &mut Previous) -> Node {
        let permissions = u16::try_from(self.number()).unwrap_or(0);
        if flags & SAME_OWNER == 0 {
            previous.owner = (self.small(), self.small());
        }
        let modified = self.time(previous.seconds);
        previous.seconds = modified.seconds;
        let accessed = if flags & HAS_ACCESSED == 0 {
            modified
        } else {
            self.time(modified.seconds)
        };
        Node {
            kind: Kind::Directory,
            permissions,
            uid: previous.owner.0,
            gid: previous.owner.1,
            modified,
            accessed,
        }
    }

    fn time(&mut self, base: i64) -> Timestamp {
        Timestamp {
            seconds: base.wrapping_add(self.signed()),
            nanoseconds: self.small(),
        }
    }

    fn segments(&mut self, size: u64, segments: &mut Vec<Segment>) {
        let count = self.number();
        if count == 0 {
            segments.push(Segment {
                offset: 0,
                position: self.number() * BLOCK_SIZE,
                length: size,
            });
        }
        for _ in 1..count {
            segments.push(Segment {
                offset: self.number() * BLOCK_SIZE,
                position: self.number() * BLOCK_SIZE,
                length: self.number(),
            });
        }
    }
}
