//! Reading a log back.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::codec::Cursor;
use super::log::{
    BLOCK_DEVICE, CHARACTER_DEVICE, Chunk, FIFO, FILE, HARD_LINK, HAS_ACCESSED, HAS_XATTRS, KIND,
    OPAQUE, Previous, SAME_OWNER, SAME_XATTRS, SYMLINK, WHITEOUT,
};
use crate::tree::{BLOCK_SIZE, Kind, Node, Segment, Timestamp};

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

/// Reads a [`Log`](super::Log).
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

impl<'a> LogReader<'a> {
    /// `file` is where chunks were stored.
    pub(super) fn new(chunks: VecDeque<Chunk>, file: Option<&'a File>) -> Self {
        Self {
            chunks,
            file,
            chunk: Vec::new(),
            place: 0,
            previous: Previous::default(),
            target: Vec::new(),
            segments: Vec::new(),
        }
    }

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
