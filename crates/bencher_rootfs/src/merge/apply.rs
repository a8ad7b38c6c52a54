//! Replaying the log of a layer into the tree.

use std::fs::File;

use super::MergeError;
use super::resolve::{self, IMPLICIT_DIRECTORY, Missing};
use crate::ext4::supports_xattr;
use crate::layer::{LayerLog, Log, Record, RecordKind};
use crate::limits::{EntryName, Limits, MAX_NAME_LENGTH};
use crate::path;
use crate::tar::acl;
use crate::tree::{Kind, Node, Slot, Tree, TreeBuilder, TreeError};

/// Puts layers on top of each other, the lowest first.
#[derive(Debug)]
pub(crate) struct Merger {
    tree: TreeBuilder,
    max_depth: u64,
    /// The directory that the last entry was in. Most entries follow one of the same directory.
    last_parent: Option<(Vec<u8>, Slot)>,
    dropped_xattrs: u64,
}

impl Merger {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            tree: TreeBuilder::new(IMPLICIT_DIRECTORY),
            max_depth: limits.path_depth,
            last_parent: None,
            dropped_xattrs: 0,
        }
    }

    /// Puts a layer on top. `file` is where its log was stored.
    pub(crate) fn apply(&mut self, layer: LayerLog, file: Option<&File>) -> Result<(), MergeError> {
        self.apply_whiteouts(layer.whiteouts, file)?;
        let mut entries = layer.entries.into_reader(file);
        while let Some(record) = entries.next().map_err(MergeError::Log)? {
            self.apply_entry(&record)?;
        }
        Ok(())
    }

    /// The merged tree, and the number of extended attributes that were left out.
    pub(crate) fn finish(self) -> (Tree, u64) {
        (self.tree.finish(), self.dropped_xattrs)
    }

    fn apply_whiteouts(&mut self, whiteouts: Log, file: Option<&File>) -> Result<(), MergeError> {
        self.last_parent = None;
        let mut whiteouts = whiteouts.into_reader(file);
        while let Some(record) = whiteouts.next().map_err(MergeError::Log)? {
            let is_opaque = matches!(record.kind, RecordKind::Opaque);
            let (directory, name) = if is_opaque {
                (record.path, &b""[..])
            } else {
                path::split(record.path)
            };
            let found = resolve::directory(
                &mut self.tree,
                directory,
                Missing::Stop,
                self.max_depth,
                record.path,
            )?;
            match found {
                Some(found) if is_opaque => self.tree.clear(found),
                Some(found) => _ = self.tree.remove(found, name),
                None => {}
            }
        }
        Ok(())
    }

    fn apply_entry(&mut self, record: &Record<'_>) -> Result<(), MergeError> {
        let entry = || EntryName::new(record.path);
        if record.path.is_empty() {
            return match &record.kind {
                RecordKind::Node(node, _) if node.kind == Kind::Directory => {
                    let root = self.tree.root();
                    self.tree.set_attributes(root, node);
                    self.set_xattrs(root, Kind::Directory, record)
                }
                _ => Err(MergeError::Root(EntryName::new(b"/"))),
            };
        }
        let (directory, name) = path::split(record.path);
        let parent = self.parent(directory, record.path)?;
        let existing = self.tree.lookup(parent, name);
        let tree_error = |error| MergeError::Tree(entry(), error);
        if let RecordKind::HardLink(target) = record.kind {
            // After the parent, which may have been made in place of the target.
            let target = self.link_target(record.path, target)?;
            if existing.is_some() {
                self.last_parent = None;
            }
            return self.tree.link(parent, name, target).map_err(tree_error);
        }
        let (slot, kind) = match &record.kind {
            RecordKind::Node(node, _) if node.kind == Kind::Directory => {
                let existing =
                    existing.filter(|&slot| self.tree.node(slot).kind == Kind::Directory);
                if let Some(slot) = existing {
                    self.tree.set_attributes(slot, node);
                    return self.set_xattrs(slot, Kind::Directory, record);
                }
                (self.tree.add(parent, name, *node), node.kind)
            }
            RecordKind::Node(node, segments) if matches!(node.kind, Kind::File { .. }) => {
                (self.tree.add_file(parent, name, *node, segments), node.kind)
            }
            RecordKind::Node(node, _) => (self.tree.add(parent, name, *node), node.kind),
            RecordKind::Symlink(node, target) => {
                let node = Node {
                    // On Linux they have no others.
                    permissions: 0o777,
                    ..*node
                };
                let slot = self.tree.add_symlink(parent, name, node, target);
                (slot, Kind::Symlink)
            }
            // Were dealt with above, and before.
            RecordKind::HardLink(_) | RecordKind::Whiteout | RecordKind::Opaque => return Ok(()),
        };
        if existing.is_some() {
            self.last_parent = None;
        }
        self.set_xattrs(slot.map_err(tree_error)?, kind, record)
    }

    /// The directory that an entry goes to.
    fn parent(&mut self, directory: &[u8], entry: &[u8]) -> Result<Slot, MergeError> {
        if let Some((last, slot)) = &self.last_parent
            && last == directory
        {
            return Ok(*slot);
        }
        let resolved = resolve::directory(
            &mut self.tree,
            directory,
            Missing::Create,
            self.max_depth,
            entry,
        )?;
        let slot = resolved.unwrap_or(self.tree.root());
        let (last, last_slot) = self.last_parent.get_or_insert((Vec::new(), slot));
        last.clear();
        last.extend_from_slice(directory);
        *last_slot = slot;
        Ok(slot)
    }

    /// The node that a hard link is to share. Its path is followed but for the last component.
    fn link_target(&mut self, entry: &[u8], target: &[u8]) -> Result<Slot, MergeError> {
        let (directory, name) = path::split(target);
        let found = resolve::directory(
            &mut self.tree,
            directory,
            Missing::Stop,
            self.max_depth,
            entry,
        )?;
        let slot = match found {
            Some(found) if name.is_empty() => Some(found),
            Some(found) => self.tree.lookup(found, name),
            None => None,
        };
        let slot = slot
            .ok_or_else(|| MergeError::LinkTarget(EntryName::new(entry), EntryName::new(target)))?;
        if self.tree.node(slot).kind == Kind::Directory {
            let (entry, target) = (EntryName::new(entry), EntryName::new(target));
            return Err(MergeError::LinkToDirectory(entry, target));
        }
        Ok(slot)
    }

    fn set_xattrs(
        &mut self,
        slot: Slot,
        kind: Kind,
        record: &Record<'_>,
    ) -> Result<(), MergeError> {
        let mut kept: Vec<(&[u8], &[u8])> = Vec::new();
        for (name, value) in record.xattrs() {
            if !may_have_xattr(kind, name) {
                self.dropped_xattrs += 1;
                continue;
            }
            kept.push((name, value));
            if name == acl::ACCESS_XATTR
                && let Some(bits) = acl::permission_bits(value)
            {
                let mut node = self.tree.node(slot);
                node.permissions = node.permissions & !0o777 | bits;
                self.tree.set_attributes(slot, &node);
            }
        }
        self.tree
            .set_xattrs(slot, &kept)
            .map_err(|error| tree_error(record.path, error))
    }
}

/// Whether Linux lets a file of this kind have an extended attribute of this name (xattr(7)).
fn may_have_xattr(kind: Kind, name: &[u8]) -> bool {
    let user = name.starts_with(b"user.");
    let default_list = name == acl::DEFAULT_XATTR;
    let access_list = name == acl::ACCESS_XATTR;
    let allowed = match kind {
        Kind::Directory => true,
        Kind::File { .. } => !default_list,
        Kind::Symlink => !(user || default_list || access_list),
        _ => !(user || default_list),
    };
    allowed && name.len() <= MAX_NAME_LENGTH && supports_xattr(name)
}

pub(super) fn tree_error(entry: &[u8], error: TreeError) -> MergeError {
    MergeError::Tree(EntryName::new(entry), error)
}
