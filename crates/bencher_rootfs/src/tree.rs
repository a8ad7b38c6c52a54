//! The merged filesystem in memory: what all layers together amount to.
//!
//! A [`Tree`] holds metadata only. The contents of its files lie in a *backing file* (the image
//! being built, or a spool file); the tree knows where, as [`Segment`]s. It is built by a
//! [`TreeBuilder`], which layers are replayed into.
//!
//! Memory is what bounds the images that can be handled, so both are stored compactly: about
//! 80 bytes per entry besides its name while building, less once finished.

mod builder;
mod finish;
mod store;

#[cfg(test)]
mod tests;

pub use builder::{NAME_MAX, Slot, TreeBuilder, TreeError};

use store::{Dentry, Inode, Names, NodeClass, SegmentLists, XattrSets};

/// The block size of the filesystem images, in bytes: the alignment of every [`Segment`].
pub const BLOCK_SIZE: u64 = 4096;

/// Identifies one inode of a [`Tree`]: `0..tree.len()`, dense, the root being 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct NodeId(u32);

impl NodeId {
    /// The number itself, for use as an index.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What an inode is, with what only that kind has.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file of this many bytes, holes included.
    File {
        /// Length in bytes.
        size: u64,
    },
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharacterDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A block device.
    BlockDevice {
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
    },
    /// A named pipe.
    Fifo,
}

/// A point in time, counted from 1970-01-01T00:00:00Z.
///
/// A tree keeps what ext4 can: 1901-12-13T20:45:52Z to 2446-05-10T22:38:55Z. Times beyond are moved
/// to the nearest within.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp {
    /// Whole seconds, rounded towards the past (so negative before 1970).
    pub seconds: i64,
    /// Nanoseconds after `seconds`, below 1 000 000 000.
    pub nanoseconds: u32,
}

/// The metadata of one inode, whatever its names.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// The permission bits with set-user-ID, set-group-ID and sticky: at most `0o7777`.
    pub permissions: u16,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// Time of the last modification.
    pub modified: Timestamp,
    /// Time of the last access.
    pub accessed: Timestamp,
}

/// A stretch of a file that is stored in the backing file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Segment {
    /// Where it begins in the file, in bytes: a multiple of [`BLOCK_SIZE`].
    pub offset: u64,
    /// Where it begins in the backing file, in bytes: a multiple of [`BLOCK_SIZE`].
    pub position: u64,
    /// Length in bytes, not zero. The backing file holds zeroes from there to the end of the
    /// block.
    pub length: u64,
}

/// A merged filesystem. Every node is reachable from the root.
#[derive(Debug)]
pub struct Tree {
    inodes: Vec<Inode>,
    /// Sorted by directory, then bytewise by name.
    dentries: Vec<Dentry>,
    names: Names,
    segments: SegmentLists,
    xattrs: XattrSets,
}

impl Tree {
    /// The root directory.
    pub fn root(&self) -> NodeId {
        NodeId(0)
    }

    /// The number of nodes. Ids are `0..len`, in the order in which a depth-first walk with sorted
    /// names meets them first.
    #[expect(
        clippy::len_without_is_empty,
        reason = "a tree always holds its root directory"
    )]
    pub fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Every node's id, ascending.
    pub fn ids(&self) -> impl ExactSizeIterator<Item = NodeId> + use<> {
        // The builder never hands out more than `u32::MAX` slots.
        (0..u32::try_from(self.inodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// The metadata of a node.
    pub fn node(&self, id: NodeId) -> Node {
        self.inodes[id.index()].node()
    }

    /// The entries of a directory, sorted bytewise by name; nothing for other nodes.
    pub fn children(&self, directory: NodeId) -> impl ExactSizeIterator<Item = (&[u8], NodeId)> {
        let inode = &self.inodes[directory.index()];
        let range = match inode.class() {
            NodeClass::Directory => inode.payload_range(),
            _ => 0..0,
        };
        self.dentries[range]
            .iter()
            .map(|dentry| (self.names.name(dentry.name), NodeId(dentry.node)))
    }

    /// The parent of a directory; the root is its own parent.
    ///
    /// Other nodes may have several parents, or one: they are not recorded, and the root is given.
    pub fn parent(&self, directory: NodeId) -> NodeId {
        let inode = &self.inodes[directory.index()];
        match inode.class() {
            NodeClass::Directory => NodeId(inode.links_or_parent),
            _ => self.root(),
        }
    }

    /// The number of names that a node other than a directory has; 1 for directories.
    pub fn links(&self, id: NodeId) -> u32 {
        let inode = &self.inodes[id.index()];
        match inode.class() {
            NodeClass::Directory => 1,
            _ => inode.links_or_parent,
        }
    }

    /// What a symbolic link points to; empty for other nodes.
    pub fn symlink_target(&self, id: NodeId) -> &[u8] {
        let inode = &self.inodes[id.index()];
        match inode.class() {
            NodeClass::Symlink => self.names.target(inode.payload_range()),
            _ => &[],
        }
    }

    /// The stored parts of a file, ascending by offset; holes are absent. Nothing for other nodes.
    pub fn segments(&self, id: NodeId) -> Segments<'_> {
        let inode = &self.inodes[id.index()];
        // One of the two is empty: most files are one stretch, which needs no list.
        Segments {
            single: inode.single_segment(),
            list: self.segments.get(inode.segment_list()).iter(),
        }
    }

    /// Says anew where the contents of all files lie. `place` gives the parts that a segment
    /// consists of at its new place, ascending.
    pub(crate) fn relocate(&mut self, mut place: impl FnMut(Segment, &mut Vec<Segment>)) {
        let old = std::mem::take(&mut self.segments);
        let mut parts = Vec::new();
        for inode in &mut self.inodes {
            parts.clear();
            for segment in inode
                .single_segment()
                .iter()
                .chain(old.get(inode.segment_list()))
            {
                place(*segment, &mut parts);
            }
            if !parts.is_empty() {
                inode.set_segments(&parts, &mut self.segments);
            }
        }
    }

    /// The extended attributes of a node: full name (`user.x`, `security.capability`;
    /// `system.posix_acl_access` with a value in the kernel's xattr format, version 2) and value,
    /// sorted bytewise by name.
    pub fn xattrs(&self, id: NodeId) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.xattrs.get(self.inodes[id.index()].xattrs)
    }
}

/// The stored parts of one file; see [`Tree::segments`].
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    single: Option<Segment>,
    list: std::slice::Iter<'a, Segment>,
}

impl Iterator for Segments<'_> {
    type Item = Segment;

    fn next(&mut self) -> Option<Segment> {
        self.single.take().or_else(|| self.list.next().copied())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let count = usize::from(self.single.is_some()) + self.list.len();
        (count, Some(count))
    }
}

impl ExactSizeIterator for Segments<'_> {}
