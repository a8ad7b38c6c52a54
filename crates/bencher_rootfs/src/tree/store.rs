//! The compact forms in which a tree is kept.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;

use super::{BLOCK_SIZE, Kind, Node, Segment, Timestamp};

/// The inode has no extended attributes.
pub(super) const NO_XATTRS: u32 = u32::MAX;
/// The file's only segment starts at its beginning and is as long as the file.
const CONTIGUOUS: u32 = u32::MAX;

/// A `u64` that does not ask for 8-byte alignment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Wide([u32; 2]);

impl Wide {
    #[expect(clippy::cast_possible_truncation, reason = "splits into halves")]
    fn new(value: u64) -> Self {
        Self([value as u32, (value >> 32) as u32])
    }

    fn get(self) -> u64 {
        u64::from(self.0[0]) | u64::from(self.0[1]) << 32
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Time {
    seconds: Wide,
    nanoseconds: u32,
}

impl Time {
    fn new(time: Timestamp) -> Self {
        Self {
            seconds: Wide::new(time.seconds.cast_unsigned()),
            nanoseconds: time.nanoseconds,
        }
    }

    fn get(self) -> Timestamp {
        Timestamp {
            seconds: self.seconds.get().cast_signed(),
            nanoseconds: self.nanoseconds,
        }
    }
}

/// [`Kind`] without its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NodeClass {
    Directory,
    File,
    Symlink,
    CharacterDevice,
    BlockDevice,
    Fifo,
}

/// One inode in 60 bytes.
#[derive(Clone, Debug)]
pub(super) struct Inode {
    class: NodeClass,
    permissions: u16,
    uid: u32,
    gid: u32,
    modified: Time,
    accessed: Time,
    /// The number of names; for a directory its parent.
    pub(super) links_or_parent: u32,
    /// Size of a file; major and minor of a device; range of a symlink's target among the names;
    /// for a directory the range of its dentries (finished) or its first one (being built).
    payload: Wide,
    /// Where the contents of a file are: `data_count` segments from `data_start`, or, if that is
    /// [`CONTIGUOUS`], one segment at block `data_start`.
    data_start: u32,
    data_count: u32,
    /// Offset of the set of extended attributes, or [`NO_XATTRS`].
    pub(super) xattrs: u32,
}

impl Inode {
    pub(super) fn new(node: &Node) -> Self {
        let mut inode = Self {
            class: NodeClass::Directory,
            permissions: 0,
            uid: 0,
            gid: 0,
            modified: Time::default(),
            accessed: Time::default(),
            links_or_parent: 0,
            payload: Wide::default(),
            data_start: 0,
            data_count: 0,
            xattrs: NO_XATTRS,
        };
        inode.set_attributes(node);
        let (class, payload) = match node.kind {
            Kind::Directory => (NodeClass::Directory, 0),
            Kind::File { size } => (NodeClass::File, size),
            Kind::Symlink => (NodeClass::Symlink, 0),
            Kind::CharacterDevice { major, minor } => {
                (NodeClass::CharacterDevice, join(major, minor))
            }
            Kind::BlockDevice { major, minor } => (NodeClass::BlockDevice, join(major, minor)),
            Kind::Fifo => (NodeClass::Fifo, 0),
        };
        inode.class = class;
        inode.payload = Wide::new(payload);
        inode
    }

    /// Takes over everything but the kind.
    pub(super) fn set_attributes(&mut self, node: &Node) {
        self.permissions = node.permissions & 0o7777;
        self.uid = node.uid;
        self.gid = node.gid;
        self.modified = Time::new(node.modified);
        self.accessed = Time::new(node.accessed);
    }

    pub(super) fn node(&self) -> Node {
        let [low, high] = self.payload.0;
        let kind = match self.class {
            NodeClass::Directory => Kind::Directory,
            NodeClass::File => Kind::File {
                size: self.payload.get(),
            },
            NodeClass::Symlink => Kind::Symlink,
            NodeClass::CharacterDevice => Kind::CharacterDevice {
                major: low,
                minor: high,
            },
            NodeClass::BlockDevice => Kind::BlockDevice {
                major: low,
                minor: high,
            },
            NodeClass::Fifo => Kind::Fifo,
        };
        Node {
            kind,
            permissions: self.permissions,
            uid: self.uid,
            gid: self.gid,
            modified: self.modified.get(),
            accessed: self.accessed.get(),
        }
    }

    pub(super) fn class(&self) -> NodeClass {
        self.class
    }

    /// The payload as the range `low..low + high`.
    pub(super) fn payload_range(&self) -> Range<usize> {
        let [start, count] = self.payload.0;
        start as usize..start as usize + count as usize
    }

    pub(super) fn set_payload_range(&mut self, start: u32, count: u32) {
        self.payload = Wide([start, count]);
    }

    /// The first dentry of a directory that is being built.
    pub(super) fn first_dentry(&self) -> u32 {
        self.payload.0[0]
    }

    pub(super) fn single_segment(&self) -> Option<Segment> {
        (self.class == NodeClass::File && self.data_count == CONTIGUOUS).then(|| Segment {
            offset: 0,
            position: u64::from(self.data_start) * BLOCK_SIZE,
            length: self.payload.get(),
        })
    }

    pub(super) fn segment_list(&self) -> Range<usize> {
        if self.class == NodeClass::File && self.data_count != CONTIGUOUS {
            self.data_start as usize..self.data_start as usize + self.data_count as usize
        } else {
            0..0
        }
    }

    /// Sets where the contents of a file lie. `lists` holds those that are not in one piece.
    /// Nothing happens, and `None` is given, if that can hold no more.
    pub(super) fn set_segments(
        &mut self,
        segments: &[Segment],
        lists: &mut Vec<Segment>,
    ) -> Option<()> {
        if let [only] = segments
            && only.offset == 0
            && only.length == self.payload.get()
            && let Ok(block) = u32::try_from(only.position / BLOCK_SIZE)
        {
            self.data_start = block;
            self.data_count = CONTIGUOUS;
            return Some(());
        }
        let start = u32::try_from(lists.len()).ok()?;
        let count = u32::try_from(segments.len()).ok();
        self.data_count = count.filter(|&count| count != CONTIGUOUS)?;
        self.data_start = start;
        lists.extend_from_slice(segments);
        Some(())
    }
}

fn join(low: u32, high: u32) -> u64 {
    Wide([low, high]).get()
}

/// One name in a directory, in 20 bytes.
#[derive(Clone, Debug)]
pub(super) struct Dentry {
    pub(super) parent: u32,
    /// The inode, or [`Dentry::DEAD`].
    pub(super) node: u32,
    /// The next dentry of the same directory while it is being built, or [`Dentry::NONE`].
    pub(super) next: u32,
    name_start: u32,
    name_length: u8,
}

impl Dentry {
    /// No dentry.
    pub(super) const NONE: u32 = u32::MAX;
    /// In place of an inode: the name was removed.
    pub(super) const DEAD: u32 = u32::MAX;

    /// `name` is the place of a name of at most 255 bytes.
    pub(super) fn new(parent: u32, node: u32, next: u32, name: (u32, u8)) -> Self {
        Self {
            parent,
            node,
            next,
            name_start: name.0,
            name_length: name.1,
        }
    }

    /// Where the name lies in [`Names`].
    pub(super) fn name(&self) -> Range<usize> {
        let start = self.name_start as usize;
        start..start + usize::from(self.name_length)
    }
}

/// File names and symlink targets, one after the other.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<u8>);

impl Names {
    pub(super) fn get(&self, range: Range<usize>) -> &[u8] {
        &self.0[range]
    }

    /// Appends `bytes` and tells where; `None` when 4 GiB are full.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Option<u32> {
        let start = u32::try_from(self.0.len()).ok()?;
        u32::try_from(self.0.len() + bytes.len()).ok()?;
        self.0.extend_from_slice(bytes);
        Some(start)
    }

    pub(super) fn shrink(&mut self) {
        self.0.shrink_to_fit();
    }
}

/// Sets of extended attributes, each stored once: security labels repeat on every file.
///
/// A set is its length in bytes (u32), then per attribute: length of the name (u8), length of the
/// value (u32), name, value.
#[derive(Debug, Default)]
pub(super) struct XattrSets {
    bytes: Vec<u8>,
}

/// Finds a set that is already there.
#[derive(Debug, Default)]
pub(super) struct XattrIndex {
    offsets: HashTable<u32>,
    hasher: RandomState,
}

impl XattrSets {
    fn set_at(bytes: &[u8], offset: u32) -> &[u8] {
        let start = offset as usize;
        let length = read_u32(&bytes[start..]) as usize;
        &bytes[start..start + 4 + length]
    }

    /// The offset of the set of these attributes, which are sorted by name; `None` when 4 GiB are
    /// full or a name or value is too long for the format.
    pub(super) fn add<'a>(
        &mut self,
        index: &mut XattrIndex,
        attributes: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Option<u32> {
        let start = self.bytes.len();
        let offset = u32::try_from(start).ok().filter(|&at| at != NO_XATTRS)?;
        self.bytes.extend_from_slice(&[0; 4]);
        for (name, value) in attributes {
            self.bytes.push(u8::try_from(name.len()).ok()?);
            let length = u32::try_from(value.len()).ok()?;
            self.bytes.extend_from_slice(&length.to_le_bytes());
            self.bytes.extend_from_slice(name);
            self.bytes.extend_from_slice(value);
        }
        let length = u32::try_from(self.bytes.len() - start - 4).ok()?;
        if length == 0 {
            self.bytes.truncate(start);
            return Some(NO_XATTRS);
        }
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());

        let bytes = &self.bytes;
        let hash = |offset: &u32| index.hasher.hash_one(Self::set_at(bytes, *offset));
        let new = Self::set_at(bytes, offset);
        if let Some(&known) = index
            .offsets
            .find(hash(&offset), |&other| Self::set_at(bytes, other) == new)
        {
            self.bytes.truncate(start);
            return Some(known);
        }
        index.offsets.insert_unique(hash(&offset), offset, hash);
        Some(offset)
    }

    pub(super) fn get(&self, offset: u32) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest: &[u8] = if offset == NO_XATTRS {
            &[]
        } else {
            &Self::set_at(&self.bytes, offset)[4..]
        };
        std::iter::from_fn(move || {
            let (&name_length, after) = rest.split_first()?;
            let value_length = read_u32(after) as usize;
            let (name, after) = after[4..].split_at(usize::from(name_length));
            let (value, after) = after.split_at(value_length);
            rest = after;
            Some((name, value))
        })
    }
}

fn read_u32(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}
