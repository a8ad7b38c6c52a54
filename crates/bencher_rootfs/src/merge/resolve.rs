//! Finding the directory that a path leads to, in a tree that is being built.

use super::MergeError;
use crate::limits::{EntryName, Limit, LimitError};
use crate::tree::{Kind, Node, Slot, Timestamp, TreeBuilder};

/// Symbolic links that are followed for one path, as by the kernel.
const MAX_SYMLINKS: u32 = 40;

/// What directories are like that no layer describes.
pub(super) const IMPLICIT_DIRECTORY: Node = Node {
    kind: Kind::Directory,
    permissions: 0o755,
    uid: 0,
    gid: 0,
    modified: Timestamp {
        seconds: 0,
        nanoseconds: 0,
    },
    accessed: Timestamp {
        seconds: 0,
        nanoseconds: 0,
    },
};

/// What to do where the path does not lead to a directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Missing {
    /// Give up.
    Stop,
    /// Make one, replacing a file if need be.
    Create,
}

/// The directory at a normalised path, following symbolic links inside the tree. Nothing if it is
/// not there and is not to be made. Errors are about `entry`.
pub(super) fn directory(
    tree: &mut TreeBuilder,
    path: &[u8],
    missing: Missing,
    max_depth: u64,
    entry: &[u8],
) -> Result<Option<Slot>, MergeError> {
    let mut here = tree.root();
    let mut symlinks = 0;
    // Filled by the first symbolic link, which most paths do not have.
    let mut rewritten: Option<Vec<u8>> = None;
    let mut start = 0;
    loop {
        let rest = &rewritten.as_deref().unwrap_or(path)[start..];
        if rest.is_empty() {
            break;
        }
        let length = rest.iter().position(|&byte| byte == b'/');
        let length = length.unwrap_or(rest.len());
        let component = &rest[..length];
        start += (length + 1).min(rest.len());
        match component {
            b"" | b"." => continue,
            b".." => {
                here = tree.parent(here);
                continue;
            }
            _ => {}
        }
        let found = tree.lookup(here, component);
        match found.map(|slot| (slot, tree.node(slot).kind)) {
            Some((slot, Kind::Directory)) => here = slot,
            Some((slot, Kind::Symlink)) => {
                symlinks += 1;
                if symlinks > MAX_SYMLINKS {
                    return Err(MergeError::SymlinkLoop(EntryName::new(entry)));
                }
                let target = tree.symlink_target(slot);
                if target.starts_with(b"/") {
                    here = tree.root();
                }
                let after = &rewritten.as_deref().unwrap_or(path)[start..];
                rewritten = Some([target, b"/", after].concat());
                start = 0;
            }
            _ if missing == Missing::Stop => return Ok(None),
            _ => {
                if symlinks > 0 {
                    check_depth(tree, here, max_depth, entry)?;
                }
                here = tree
                    .add(here, component, IMPLICIT_DIRECTORY)
                    .map_err(|error| super::apply::tree_error(entry, error))?;
            }
        }
    }
    if symlinks > 0 {
        check_depth(tree, here, max_depth, entry)?;
    }
    Ok(Some(here))
}

/// Checks the depth of an entry in `directory`. Only needed where symbolic links were followed:
/// otherwise the depth is that of the path, which was checked.
fn check_depth(
    tree: &TreeBuilder,
    directory: Slot,
    max_depth: u64,
    entry: &[u8],
) -> Result<(), MergeError> {
    let mut depth = 1;
    let mut here = directory;
    while here != tree.root() {
        here = tree.parent(here);
        depth += 1;
    }
    if depth > max_depth {
        return Err(MergeError::Limit(LimitError {
            limit: Limit::PathDepth,
            maximum: max_depth,
            entry: EntryName::new(entry),
        }));
    }
    Ok(())
}
