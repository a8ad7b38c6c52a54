//! Which inode each node of a tree becomes.

use super::format::{FIRST_INODE, ROOT_INODE, low32};
use crate::tree::{NodeId, Tree};

/// The directory that `e2fsck` expects in the root, to put into it what it finds without a name.
pub(super) const LOST_AND_FOUND: &[u8] = b"lost+found";

/// The number of inodes that can exist.
pub(super) const MAX_INODES: u64 = u32::MAX as u64;

/// Numbers the root 2, `lost+found` 11 unless the tree has one, and the rest in order from there.
///
/// What the tree has under that name stays as it is, even if it is no directory: then only
/// `e2fsck` minds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbering {
    nodes: u64,
    makes_lost_and_found: bool,
}

impl Numbering {
    /// Nothing if the tree has too many nodes.
    pub(super) fn of(tree: &Tree) -> Option<Self> {
        let numbering = Self {
            nodes: tree.len() as u64,
            makes_lost_and_found: tree
                .children(tree.root())
                .all(|(name, _)| name != LOST_AND_FOUND),
        };
        (u64::from(FIRST_INODE) + numbering.nodes < MAX_INODES).then_some(numbering)
    }

    /// The inode of `lost+found`, if the tree has none and one must be made.
    pub(super) fn lost_and_found(self) -> Option<u32> {
        self.makes_lost_and_found.then_some(FIRST_INODE)
    }

    /// The inode of a node.
    pub(super) fn inode(self, id: NodeId) -> u32 {
        match id.index() as u64 {
            0 => ROOT_INODE,
            // Fits, as `of` has checked.
            index => low32(index) + self.lost_and_found().unwrap_or(FIRST_INODE - 1),
        }
    }

    /// The number of inodes in use, the reserved ones included: the largest number of one.
    pub(super) fn used(self) -> u32 {
        FIRST_INODE - 1 + low32(self.nodes - 1) + u32::from(self.makes_lost_and_found)
    }
}
