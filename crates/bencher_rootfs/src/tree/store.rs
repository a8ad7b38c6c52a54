//! The compact forms in which a tree is kept.

use std::cmp::Ordering;
use std::hash::{BuildHasher, RandomState};
use std::ops::{Range, RangeInclusive};

use hashbrown::HashTable;

use super::{BLOCK_SIZE, Kind, Node, Segment, Timestamp};

/// The inode has no extended attributes.
pub(super) const NO_XATTRS: u32 = u32::MAX;
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

/// A timestamp in the bits that ext4 has for one: 34 for the seconds, 30 for the nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct Time(Wide);

/// The seconds that can be stored: from 1901 to 2446.
const SECONDS: RangeInclusive<i64> = -(1 << 31)..=(1 << 34) - (1 << 31) - 1;

impl Time {
    /// Beyond what can be stored, times are moved to the nearest that can.
    fn new(time: Timestamp) -> Self {
        let seconds = time.seconds.clamp(*SECONDS.start(), *SECONDS.end());
        let nanoseconds = match time.seconds.cmp(&seconds) {
            Ordering::Less => 0,
            Ordering::Equal => u64::from(time.nanoseconds.min(999_999_999)),
            Ordering::Greater => 999_999_999,
        };
        let seconds = (seconds - SECONDS.start()).cast_unsigned();
        Self(Wide::new(seconds << 30 | nanoseconds))
    }

    fn get(self) -> Timestamp {
        let [low, _] = self.0.0;
        Timestamp {
            seconds: (self.0.get() >> 30).cast_signed() + SECONDS.start(),
            nanoseconds: low & ((1 << 30) - 1),
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

/// One inode in 48 bytes.
#[derive(Clone, Debug)]
pub(super) struct Inode {
    class: NodeClass,
    /// Of a file: it has one segment, which is all of it, at block `data`.
    is_contiguous: bool,
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
    /// Where the contents of a file are: the block that they begin at, if they are contiguous,
    /// else the number of their list in [`SegmentLists`].
    data: u32,
    /// Offset of the set of extended attributes, or [`NO_XATTRS`].
    pub(super) xattrs: u32,
}

impl Inode {
    pub(super) fn new(node: &Node) -> Self {
        let mut inode = Self {
            class: NodeClass::Directory,
            is_contiguous: false,
            permissions: 0,
            uid: 0,
            gid: 0,
            modified: Time::default(),
            accessed: Time::default(),
            links_or_parent: 0,
            payload: Wide::default(),
            data: SegmentLists::EMPTY,
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
        self.is_contiguous.then(|| Segment {
            offset: 0,
            position: u64::from(self.data) * BLOCK_SIZE,
            length: self.payload.get(),
        })
    }

    /// The number of the list of segments; that of the empty one if there is none.
    pub(super) fn segment_list(&self) -> u32 {
        if self.class == NodeClass::File && !self.is_contiguous {
            self.data
        } else {
            SegmentLists::EMPTY
        }
    }

    /// Sets where the contents of a file lie. `lists` holds those that are not in one piece.
    /// Nothing happens, and `None` is given, if that can hold no more.
    pub(super) fn set_segments(
        &mut self,
        segments: &[Segment],
        lists: &mut SegmentLists,
    ) -> Option<()> {
        if let [only] = segments
            && only.offset == 0
            && only.length == self.payload.get()
            && let Ok(block) = u32::try_from(only.position / BLOCK_SIZE)
        {
            self.is_contiguous = true;
            self.data = block;
            return Some(());
        }
        self.data = lists.add(segments)?;
        self.is_contiguous = false;
        Some(())
    }
}

/// The segments of files that are not in one piece.
#[derive(Debug, Default)]
pub(super) struct SegmentLists {
    segments: Vec<Segment>,
    /// Where each list ends. It begins where the one before ends.
    ends: Vec<u32>,
}

impl SegmentLists {
    /// The number of the list without segments.
    const EMPTY: u32 = u32::MAX;

    pub(super) fn get(&self, list: u32) -> &[Segment] {
        if list == Self::EMPTY {
            return &[];
        }
        let list = list as usize;
        let start = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.segments[start as usize..self.ends[list] as usize]
    }

    /// Adds a list and tells its number; `None` if there can be no more.
    fn add(&mut self, segments: &[Segment]) -> Option<u32> {
        if segments.is_empty() {
            return Some(Self::EMPTY);
        }
        let end = u32::try_from(self.segments.len() + segments.len()).ok()?;
        let number = u32::try_from(self.ends.len()).ok();
        let number = number.filter(|&number| number != Self::EMPTY)?;
        self.segments.extend_from_slice(segments);
        self.ends.push(end);
        Some(number)
    }

    pub(super) fn shrink(&mut self) {
        self.segments.shrink_to_fit();
        self.ends.shrink_to_fit();
    }
}

fn join(low: u32, high: u32) -> u64 {
    Wide([low, high]).get()
}

/// One name in a directory, in 16 bytes.
#[derive(Clone, Debug)]
pub(super) struct Dentry {
    pub(super) parent: u32,
    /// The inode, or [`Dentry::DEAD`].
    pub(super) node: u32,
    /// The next dentry of the same directory while it is being built, or [`Dentry::NONE`].
    pub(super) next: u32,
    /// Where it lies in [`Names`].
    pub(super) name: u32,
}

impl Dentry {
    /// No dentry.
    pub(super) const NONE: u32 = u32::MAX;
    /// In place of an inode: the name was removed.
    pub(super) const DEAD: u32 = u32::MAX;
}

/// File names, each behind its length in one byte, and symlink targets.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<u8>);

impl Names {
    /// The file name at a place.
    pub(super) fn name(&self, start: u32) -> &[u8] {
        let start = start as usize;
        let length = usize::from(self.0[start]);
        &self.0[start + 1..start + 1 + length]
    }

    pub(super) fn target(&self, range: Range<usize>) -> &[u8] {
        &self.0[range]
    }

    /// Appends a file name and tells its place; `None` if it is too long, or 4 GiB are full.
    pub(super) fn add_name(&mut self, name: &[u8]) -> Option<u32> {
        let length = u8::try_from(name.len()).ok()?;
        let start = u32::try_from(self.0.len()).ok()?;
        self.0.push(length);
        self.0.extend_from_slice(name);
        Some(start)
    }

    /// Appends the target of a symlink and tells its place; `None` when 4 GiB are full.
    pub(super) fn add_target(&mut self, target: &[u8]) -> Option<u32> {
        let start = u32::try_from(self.0.len()).ok()?;
        self.0.extend_from_slice(target);
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
