//! Layers on top of each other: what a container would see.
//!
//! Everything happens in memory, so nothing that a layer says can touch the host's files. The
//! semantics are those of the OCI image specification ("Image Layer Filesystem Changeset"), and of
//! containerd, Docker and umoci where it is silent:
//!
//! - Whiteouts and opaque markers concern lower layers only, wherever in their layer they stand.
//! - Below a symbolic link to a directory, also of a lower layer, entries end up in that directory;
//!   links are followed as if the root filesystem were the whole system (`..` ends at its root).
//! - Parents that are missing are made: mode 0755, owned by root, times 0. A parent that is a file
//!   is replaced by a directory.
//! - An entry replaces what was there. Only a directory on a directory keeps what is in it, and
//!   takes over owner, mode, times and extended attributes. A directory replaces a symbolic link.
//! - A hard link's target is in a lower layer, or comes before the link. Its own metadata count,
//!   not those of the link.
//! - An access control list determines the permission bits, as when the kernel sets it.
//! - Extended attributes that Linux lets no file of that kind have are left out, and counted.

mod apply;
mod resolve;
#[cfg(test)]
mod tests;

use std::io;

use crate::layer::{self, Budget, ContentSink, LayerError, LayerLog, Meter};
use crate::limits::{EntryName, LimitError, Limits};
use crate::tree::{Segment, Tree, TreeError};

pub(crate) use apply::Merger;

/// Why layers could not be merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A hard link leads nowhere.
    #[error(
        "{0}: the target of the hard link, {1}, is neither in a lower layer nor earlier in this one"
    )]
    LinkTarget(EntryName, EntryName),
    /// Directories have one name.
    #[error("{0}: the target of the hard link, {1}, is a directory")]
    LinkToDirectory(EntryName, EntryName),
    /// The root is a directory and nothing else.
    #[error("{0}: the root of the filesystem can only be a directory")]
    Root(EntryName),
    /// Symbolic links in the path of an entry lead to each other.
    #[error("{0}: too many symbolic links in the path")]
    SymlinkLoop(EntryName),
    /// A limit was exceeded.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// What was noted of the layer could not be read back.
    #[error("failed to read back what was noted of the layer")]
    Log(#[source] io::Error),
    /// The tree can not hold it.
    #[error("{0}: {1}")]
    Tree(EntryName, TreeError),
}

/// Why [`merge`] failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayersError {
    /// A layer can not be read.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// It can not be put on top of the others.
    #[error(transparent)]
    Merge(#[from] MergeError),
}

/// Merges uncompressed layers that are in memory; their contents are forgotten, and every file is
/// one hole.
///
/// This is the whole way of hostile bytes through this crate without any I/O: for tests and
/// fuzzing.
///
/// # Errors
/// [`LayersError`].
pub fn merge(layers: &[&[u8]], limits: &Limits) -> Result<Tree, LayersError> {
    let budget = Budget::new(limits);
    let mut merger = Merger::new(limits);
    for layer in layers {
        let mut meter = Meter::new(&budget, layer.len() as u64);
        let mut log = LayerLog::default();
        layer::read::<_, _, LayersError>(*layer, &mut meter, &mut Forget, Some(&mut log))?;
        merger.apply(log, None)?;
    }
    Ok(merger.finish().0)
}

/// A sink that keeps nothing.
struct Forget;

impl From<std::convert::Infallible> for LayersError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl ContentSink for Forget {
    type Error = std::convert::Infallible;

    fn write(&mut self, _offset: u64, _bytes: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn end_file(&mut self, _segments: &mut Vec<Segment>) -> Result<(), Self::Error> {
        Ok(())
    }
}
