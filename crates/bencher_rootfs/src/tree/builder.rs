//! Building a [`Tree`]: names are added, replaced and removed in any order.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::finish;
use super::store::{Dentry, Inode, Names, NodeClass, SegmentLists, XattrIndex, XattrSets};
use super::{BLOCK_SIZE, Kind, Node, Segment, Tree};

/// The longest name of a directory entry, in bytes (Linux's `NAME_MAX`).
pub const NAME_MAX: usize = 255;

/// Identifies one inode of a [`TreeBuilder`]. Valid as long as the inode has a name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Slot(u32);

/// Why a [`TreeBuilder`] refused something.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeError {
    /// Only a directory can have entries.
    #[error("the parent is not a directory")]
    NotADirectory,
    /// A name must have 1 to 255 bytes, no `/`, no NUL, and be neither `.` nor `..`.
    #[error("not a valid name for a directory entry")]
    Name,
    /// A directory can have only one name.
    #[error("a directory can not be hard-linked")]
    LinkToDirectory,
    /// Segments must be aligned, ascending, apart from each other and inside the file; only files
    /// have them.
    #[error("the segments do not describe the contents of the file")]
    Segments,
    /// Extended attributes must have a name of 1 to 255 bytes, each only once.
    #[error("not a valid set of extended attributes")]
    Xattrs,
    /// An index of the compact form overflows: far beyond every limit on images.
    #[error("the filesystem has too many entries or too long names for this program")]
    TooLarge,
}

/// A [`Tree`] under construction.
#[derive(Debug)]
pub struct TreeBuilder {
    pub(super) inodes: Vec<Inode>,
    /// Slots whose inode lost its last name.
    free: Vec<u32>,
    dentries: Vec<Dentry>,
    /// The living dentries by directory and name.
    index: HashTable<u32>,
    hasher: RandomState,
    names: Names,
    segments: SegmentLists,
    xattrs: XattrSets,
    xattr_index: XattrIndex,
}

impl TreeBuilder {
    /// An empty filesystem whose root directory has the attributes of `root`, whatever its kind.
    pub fn new(root: Node) -> Self {
        let mut inode = Inode::new(&Node {
            kind: Kind::Directory,
            ..root
        });
        inode.set_payload_range(Dentry::NONE, 0);
        Self {
            inodes: vec![inode],
            free: Vec::new(),
            dentries: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::new(),
            names: Names::default(),
            segments: SegmentLists::default(),
            xattrs: XattrSets::default(),
            xattr_index: XattrIndex::default(),
        }
    }

    /// The root directory.
    pub fn root(&self) -> Slot {
        Slot(0)
    }

    /// Adds a node without contents, replacing (recursively) whatever had this name.
    ///
    /// A file is all hole until [`set_segments`](Self::set_segments); a symbolic link needs
    /// [`add_symlink`](Self::add_symlink).
    ///
    /// # Errors
    /// [`TreeError::NotADirectory`], [`TreeError::Name`] and [`TreeError::TooLarge`].
    pub fn add(&mut self, parent: Slot, name: &[u8], node: Node) -> Result<Slot, TreeError> {
        let mut inode = Inode::new(&node);
        if node.kind == Kind::Directory {
            inode.set_payload_range(Dentry::NONE, 0);
            inode.links_or_parent = parent.0;
        }
        self.check(parent, name)?;
        let slot = self.new_slot(inode)?;
        self.put(parent, name, slot)?;
        Ok(slot)
    }

    /// Adds a regular file with its contents; see [`add`](Self::add).
    ///
    /// # Errors
    /// Those of [`add`](Self::add) and of [`set_segments`](Self::set_segments).
    pub fn add_file(
        &mut self,
        parent: Slot,
        name: &[u8],
        node: Node,
        segments: &[Segment],
    ) -> Result<Slot, TreeError> {
        let slot = self.add(parent, name, node)?;
        self.set_segments(slot, segments)?;
        Ok(slot)
    }

    /// Adds a symbolic link, whatever the kind in `node`; see [`add`](Self::add).
    ///
    /// # Errors
    /// Those of [`add`](Self::add).
    pub fn add_symlink(
        &mut self,
        parent: Slot,
        name: &[u8],
        node: Node,
        target: &[u8],
    ) -> Result<Slot, TreeError> {
        self.check(parent, name)?;
        let mut inode = Inode::new(&Node {
            kind: Kind::Symlink,
            ..node
        });
        let start = self.names.add_target(target).ok_or(TreeError::TooLarge)?;
        let length = u32::try_from(target.len()).map_err(|_| TreeError::TooLarge)?;
        inode.set_payload_range(start, length);
        let slot = self.new_slot(inode)?;
        self.put(parent, name, slot)?;
        Ok(slot)
    }

    /// Gives a node other than a directory one more name, replacing whatever had it.
    ///
    /// # Errors
    /// [`TreeError::LinkToDirectory`] besides those of [`add`](Self::add).
    pub fn link(&mut self, parent: Slot, name: &[u8], target: Slot) -> Result<(), TreeError> {
        self.check(parent, name)?;
        if self.class(target) == NodeClass::Directory {
            return Err(TreeError::LinkToDirectory);
        }
        if self.lookup(parent, name) == Some(target) {
            return Ok(());
        }
        self.put(parent, name, target)
    }

    /// Says where the contents of a file lie, instead of what was said before.
    ///
    /// # Errors
    /// [`TreeError::Segments`], [`TreeError::TooLarge`].
    pub fn set_segments(&mut self, file: Slot, segments: &[Segment]) -> Result<(), TreeError> {
        let inode = &mut self.inodes[file.0 as usize];
        let Kind::File { size } = inode.node().kind else {
            return Err(TreeError::Segments);
        };
        let mut free_from = 0;
        for segment in segments {
            let end = segment.offset.checked_add(segment.length);
            let fits = segment.length > 0
                && segment.offset % BLOCK_SIZE == 0
                && segment.position % BLOCK_SIZE == 0
                && segment.offset >= free_from
                && end.is_some_and(|end| end <= size);
            if !fits {
                return Err(TreeError::Segments);
            }
            free_from = end.unwrap_or(u64::MAX);
        }
        inode
            .set_segments(segments, &mut self.segments)
            .ok_or(TreeError::TooLarge)
    }

    /// Sets all the extended attributes of a node, in any order, instead of those it had.
    ///
    /// # Errors
    /// [`TreeError::Xattrs`], [`TreeError::TooLarge`].
    pub fn set_xattrs(
        &mut self,
        slot: Slot,
        attributes: &[(&[u8], &[u8])],
    ) -> Result<(), TreeError> {
        let mut sorted = attributes.to_vec();
        sorted.sort_unstable();
        let valid = sorted
            .iter()
            .all(|(name, _)| !name.is_empty() && name.len() <= NAME_MAX && !name.contains(&0))
            && sorted.windows(2).all(|pair| pair[0].0 != pair[1].0);
        if !valid {
            return Err(TreeError::Xattrs);
        }
        let offset = self
            .xattrs
            .add(&mut self.xattr_index, sorted.into_iter())
            .ok_or(TreeError::TooLarge)?;
        self.inodes[slot.0 as usize].xattrs = offset;
        Ok(())
    }

    /// Changes everything about a node but its kind, contents and extended attributes.
    pub fn set_attributes(&mut self, slot: Slot, node: &Node) {
        self.inodes[slot.0 as usize].set_attributes(node);
    }

    /// The metadata of a node.
    pub fn node(&self, slot: Slot) -> Node {
        self.inodes[slot.0 as usize].node()
    }

    /// What a symbolic link points to; empty for other nodes.
    pub fn symlink_target(&self, slot: Slot) -> &[u8] {
        let inode = &self.inodes[slot.0 as usize];
        match inode.class() {
            NodeClass::Symlink => self.names.target(inode.payload_range()),
            _ => &[],
        }
    }

    /// The parent of a directory (the root's is the root); the root for other nodes.
    pub fn parent(&self, directory: Slot) -> Slot {
        let inode = &self.inodes[directory.0 as usize];
        match inode.class() {
            NodeClass::Directory => Slot(inode.links_or_parent),
            _ => self.root(),
        }
    }

    /// The node of this name in a directory.
    pub fn lookup(&self, parent: Slot, name: &[u8]) -> Option<Slot> {
        let dentry = self.find(parent, name)?;
        Some(Slot(self.dentries[dentry as usize].node))
    }

    /// Removes a name, and everything below it if it is a directory. Tells whether it was there.
    pub fn remove(&mut self, parent: Slot, name: &[u8]) -> bool {
        let Some(dentry) = self.find(parent, name) else {
            return false;
        };
        self.unindex(dentry);
        let node = std::mem::replace(&mut self.dentries[dentry as usize].node, Dentry::DEAD);
        self.drop_name(node);
        true
    }

    /// Removes everything below a directory; does nothing to other nodes.
    pub fn clear(&mut self, directory: Slot) {
        if self.class(directory) != NodeClass::Directory {
            return;
        }
        // Directories emptied so far whose dentries are still to be released.
        let mut emptied = vec![self.take_dentries(directory.0)];
        while let Some(next) = emptied.last_mut() {
            let Some(dentry) = self.dentries.get(*next as usize) else {
                emptied.pop();
                continue;
            };
            let current = std::mem::replace(next, dentry.next);
            if dentry.node == Dentry::DEAD {
                continue;
            }
            self.unindex(current);
            let node = std::mem::replace(&mut self.dentries[current as usize].node, Dentry::DEAD);
            if self.class(Slot(node)) == NodeClass::Directory {
                emptied.push(self.take_dentries(node));
                self.free.push(node);
            } else {
                self.drop_name(node);
            }
        }
    }

    /// The finished tree.
    pub fn finish(self) -> Tree {
        let Self {
            mut inodes,
            mut dentries,
            mut names,
            mut segments,
            xattrs,
            // Gone before anything else is allocated.
            free: _,
            index: _,
            xattr_index: _,
            hasher: _,
        } = self;
        dentries.retain(|dentry| dentry.node != Dentry::DEAD);
        dentries.shrink_to_fit();
        names.shrink();
        segments.shrink();
        finish::number(&mut inodes, &mut dentries, &names);
        Tree {
            inodes,
            dentries,
            names,
            segments,
            xattrs,
        }
    }

    pub(super) fn class(&self, slot: Slot) -> NodeClass {
        self.inodes[slot.0 as usize].class()
    }

    fn check(&self, parent: Slot, name: &[u8]) -> Result<(), TreeError> {
        let valid = !name.is_empty()
            && name.len() <= NAME_MAX
            && name != b"."
            && name != b".."
            && !name.iter().any(|&byte| byte == b'/' || byte == 0);
        if !valid {
            return Err(TreeError::Name);
        }
        if self.class(parent) != NodeClass::Directory {
            return Err(TreeError::NotADirectory);
        }
        Ok(())
    }

    fn new_slot(&mut self, inode: Inode) -> Result<Slot, TreeError> {
        if let Some(slot) = self.free.pop() {
            self.inodes[slot as usize] = inode;
            return Ok(Slot(slot));
        }
        let slot = u32::try_from(self.inodes.len())
            .ok()
            .filter(|&slot| slot != Dentry::DEAD)
            .ok_or(TreeError::TooLarge)?;
        self.inodes.push(inode);
        Ok(Slot(slot))
    }

    /// Lets `name` mean `slot`, which counts one more name. `parent` and `name` were checked.
    fn put(&mut self, parent: Slot, name: &[u8], slot: Slot) -> Result<(), TreeError> {
        // First, so that replacing the last name of the same inode does not free it.
        if self.class(slot) != NodeClass::Directory {
            self.inodes[slot.0 as usize].links_or_parent += 1;
        }
        if let Some(dentry) = self.find(parent, name) {
            let old = std::mem::replace(&mut self.dentries[dentry as usize].node, slot.0);
            self.drop_name(old);
            return Ok(());
        }
        let dentry = u32::try_from(self.dentries.len())
            .ok()
            .filter(|&dentry| dentry != Dentry::NONE)
            .ok_or(TreeError::TooLarge)?;
        let start = self.names.add_name(name).ok_or(TreeError::TooLarge)?;
        self.dentries.push(Dentry {
            parent: parent.0,
            node: slot.0,
            next: self.inodes[parent.0 as usize].first_dentry(),
            name: start,
        });
        self.inodes[parent.0 as usize].set_payload_range(dentry, 0);
        let hash = self.hash(parent.0, name);
        self.index.insert_unique(hash, dentry, |&dentry| {
            let dentry = &self.dentries[dentry as usize];
            self.hasher
                .hash_one((dentry.parent, self.names.name(dentry.name)))
        });
        Ok(())
    }

    fn hash(&self, parent: u32, name: &[u8]) -> u64 {
        self.hasher.hash_one((parent, name))
    }

    fn find(&self, parent: Slot, name: &[u8]) -> Option<u32> {
        self.index
            .find(self.hash(parent.0, name), |&dentry| {
                let dentry = &self.dentries[dentry as usize];
                dentry.parent == parent.0 && self.names.name(dentry.name) == name
            })
            .copied()
    }

    fn unindex(&mut self, dentry: u32) {
        let entry = &self.dentries[dentry as usize];
        let hash = self.hash(entry.parent, self.names.name(entry.name));
        if let Ok(found) = self.index.find_entry(hash, |&other| other == dentry) {
            found.remove();
        }
    }

    /// Detaches the list of dentries from a directory and gives its first.
    fn take_dentries(&mut self, directory: u32) -> u32 {
        let inode = &mut self.inodes[directory as usize];
        let first = inode.first_dentry();
        inode.set_payload_range(Dentry::NONE, 0);
        first
    }

    /// One name of `node` is gone.
    fn drop_name(&mut self, node: u32) {
        if self.class(Slot(node)) == NodeClass::Directory {
            self.clear(Slot(node));
            self.free.push(node);
            return;
        }
        let inode = &mut self.inodes[node as usize];
        inode.links_or_parent -= 1;
        if inode.links_or_parent == 0 {
            self.free.push(node);
        }
    }
}
