//! The entries of a layer in order, in few bytes: about 20 besides the part of the path that
//! differs from the entry before.
//!
//! ```text
//! flags: u8 │ shared, length: varint │ rest of the path │ permissions │ owner │ times │ …
//! ```
//!
//! Numbers are in base 128, low digits first (LEB128); signed ones zigzag. The log is private to
//! this process and is not checked when read.

use std::collections::VecDeque;

use crate::tar::{Entry, EntryKind};
use crate::tree::{BLOCK_SIZE, Kind, Node, Segment, Timestamp};

/// Bytes of a chunk, unless one record is longer.
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
    chunks: VecDeque<Vec<u8>>,
    previous: Previous,
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
            return path + put_bytes(self.chunk(), target);
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
        let chunk = self.chunk();
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
        if self.chunks.back().is_none_or(|chunk| chunk.len() >= CHUNK) {
            self.chunks.push_back(Vec::new());
        }
        let chunk = self.chunk();
        chunk.push(flags);
        put(chunk, shared as u64);
        put_bytes(chunk, &path[shared..]);
        self.previous.path.truncate(shared);
        self.previous.path.extend_from_slice(&path[shared..]);
        (path.len() - shared) as u64
    }

    fn chunk(&mut self) -> &mut Vec<u8> {
        if self.chunks.is_empty() {
            self.chunks.push_back(Vec::new());
        }
        let last = self.chunks.len() - 1;
        &mut self.chunks[last]
    }

    /// Bytes of memory that the entries take.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    /// Reads the log from its beginning, giving its memory back on the way.
    pub(crate) fn into_reader(self) -> LogReader {
        LogReader {
            chunks: self.chunks,
            place: 0,
            previous: Previous::default(),
            target: Vec::new(),
            segments: Vec::new(),
        }
    }
}

/// Reads a [`Log`].
#[derive(Debug)]
pub(crate) struct LogReader {
    chunks: VecDeque<Vec<u8>>,
    place: usize,
    previous: Previous,
    target: Vec<u8>,
    segments: Vec<Segment>,
}

impl LogReader {
    /// The next record.
    pub(crate) fn next(&mut self) -> Option<Record<'_>> {
        while self.place >= self.chunks.front()?.len() {
            self.chunks.pop_front();
            self.place = 0;
        }
        let chunk = self.chunks.front()?;
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
        Some(Record {
            path: &self.previous.path,
            kind,
            xattrs: if has_xattrs {
                &self.previous.xattrs
            } else {
                &[]
            },
        })
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

fn put(chunk: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        chunk.push(low_byte(number) | 0x80);
        number >>= 7;
    }
    chunk.push(low_byte(number));
}

fn low_byte(number: u64) -> u8 {
    number.to_le_bytes()[0]
}

fn put_signed(chunk: &mut Vec<u8>, number: i64) {
    put(chunk, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn put_bytes(chunk: &mut Vec<u8>, bytes: &[u8]) -> u64 {
    put(chunk, bytes.len() as u64);
    chunk.extend_from_slice(bytes);
    bytes.len() as u64
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

/// Reads what the functions above write.
#[derive(Debug)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn byte(&mut self) -> u8 {
        let (&byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        byte
    }

    fn number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte();
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                break;
            }
        }
        number
    }

    fn signed(&mut self) -> i64 {
        let number = self.number();
        (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
    }

    /// A number that was written from a `u32`.
    fn small(&mut self) -> u32 {
        u32::try_from(self.number()).unwrap_or(u32::MAX)
    }

    /// A number that was written from a `usize`.
    fn size(&mut self) -> usize {
        usize::try_from(self.number()).unwrap_or(usize::MAX)
    }

    fn bytes(&mut self) -> &'a [u8] {
        let length = self.size().min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

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
