//! What a filesystem should hold, in a form that can be compared with what the kernel shows.

use std::collections::BTreeMap;

use bencher_rootfs::tree::{Kind, Node, Timestamp};

/// Entries by path from the root, without a leading slash. The root is the empty path.
pub(crate) type Model = BTreeMap<Vec<u8>, Item>;

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) node: Node,
    pub(crate) body: Body,
    /// Full name and value in the kernel's form.
    pub(crate) xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What only some entries have.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    /// Nothing.
    None,
    /// Contents, ascending.
    Pieces(Vec<Piece>),
    /// The target of a symbolic link.
    Target(Vec<u8>),
    /// One more name of the file of this path.
    Link(Vec<u8>),
}

/// Part of the contents of a file.
#[derive(Clone, Debug)]
pub(crate) struct Piece {
    /// A multiple of 4096.
    pub(crate) offset: u64,
    pub(crate) length: usize,
    /// Which [`pattern`] it is filled with.
    pub(crate) seed: u64,
}

impl Piece {
    pub(crate) fn new(offset: u64, length: usize, seed: u64) -> Self {
        Self {
            offset,
            length,
            seed,
        }
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.length as u64
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        pattern(self.length, self.seed)
    }
}

pub(crate) fn node(kind: Kind) -> Node {
    let time = |seconds| Timestamp {
        seconds,
        nanoseconds: 123_456_789,
    };
    Node {
        kind,
        permissions: if kind == Kind::Directory {
            0o755
        } else {
            0o644
        },
        uid: 1000,
        gid: 100,
        modified: time(1_700_000_000),
        accessed: time(1_700_000_001),
    }
}

impl Item {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            node: node(kind),
            body: Body::None,
            xattrs: BTreeMap::new(),
        }
    }

    pub(crate) fn directory() -> Self {
        Self::new(Kind::Directory)
    }

    /// A file without holes, filled with a pattern.
    pub(crate) fn file(length: usize) -> Self {
        let pieces = if length == 0 {
            Vec::new()
        } else {
            vec![Piece::new(0, length, length as u64)]
        };
        Self::sparse(length as u64, pieces)
    }

    pub(crate) fn sparse(size: u64, pieces: Vec<Piece>) -> Self {
        Self {
            body: Body::Pieces(pieces),
            ..Self::new(Kind::File { size })
        }
    }

    pub(crate) fn symlink(target: &[u8]) -> Self {
        let mut item = Self::new(Kind::Symlink);
        item.node.permissions = 0o777;
        item.body = Body::Target(target.to_vec());
        item
    }

    pub(crate) fn link(path: &[u8]) -> Self {
        Self {
            body: Body::Link(path.to_vec()),
            // Those of the file that is linked to count.
            ..Self::new(Kind::Fifo)
        }
    }

    pub(crate) fn with(mut self, change: impl FnOnce(&mut Node)) -> Self {
        change(&mut self.node);
        self
    }

    pub(crate) fn with_xattr(mut self, name: &[u8], value: &[u8]) -> Self {
        self.xattrs.insert(name.to_vec(), value.to_vec());
        self
    }
}

/// A model of the root and these entries.
pub(crate) fn model<const N: usize>(items: [(&str, Item); N]) -> Model {
    let mut model: Model = items
        .into_iter()
        .map(|(path, item)| (path.as_bytes().to_vec(), item))
        .collect();
    model.entry(Vec::new()).or_insert_with(Item::directory);
    model
}

/// Bytes that differ from block to block.
pub(crate) fn pattern(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
