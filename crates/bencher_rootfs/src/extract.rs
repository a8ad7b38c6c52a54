//! Layers as ordinary files, for running a command on the host without a virtual machine.
//!
//! The layers are merged as for an image, with their contents in a spool file; then the merged tree
//! is made into files. Every name is a single component, made in a directory that is held open,
//! and never follows a symbolic link: whatever an image says, nothing outside of the new directory
//! is touched.
//!
//! Without root, owners, devices and some extended attributes can not be kept. What is lost is
//! counted.

mod materialise;
mod remove;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::build::{self, BuildOptions};
use crate::copy::CopyError;
use crate::error::{RootfsError, is_full};
use crate::limits::EntryName;
use crate::progress::{Progress, Step};
use crate::source::LayerSource;

pub use remove::remove_extracted;

/// Why layers could not be extracted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExtractError {
    /// The layers could not be read or merged.
    #[error(transparent)]
    Build(#[from] RootfsError),
    /// The directory could not be made, or what is in it not be removed.
    #[error("failed to {action} {}", .path.display())]
    Directory {
        /// What was to be done.
        action: &'static str,
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of the image could not be made.
    #[error("failed to {action} {entry} of the image")]
    Entry {
        /// What was to be done.
        action: &'static str,
        /// Its path in the image.
        entry: EntryName,
        /// Why.
        source: io::Error,
    },
    /// The contents of a file could not be copied.
    #[error("failed to write the contents of {entry}")]
    Contents {
        /// Its path in the image.
        entry: EntryName,
        /// Why.
        source: CopyError,
    },
    /// The filesystem of the host is full.
    #[error("the host's disk is full: free some space where the image is extracted to")]
    HostDiskFull(#[source] io::Error),
}

/// What was extracted, and what could not be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExtractReport {
    /// The root of the image's files.
    pub rootfs: PathBuf,
    /// Files, directories and so on, each counted once whatever its names.
    pub nodes: u64,
    /// Nodes with another owner or group than in the image.
    pub lost_owners: u64,
    /// Devices that are missing.
    pub lost_devices: u64,
    /// Extended attributes that are missing.
    pub lost_xattrs: u64,
}

/// Extracts the given layers, the lowest first, to `directory`/rootfs. `directory` is made; it
/// must not exist yet. Only its owner can enter it, as there may be set-user-ID programs inside.
///
/// [`BuildOptions::disk_bytes`] does not matter here.
///
/// # Errors
/// [`ExtractError`]; then `directory` is removed again.
pub fn extract(
    layers: &[&dyn LayerSource],
    directory: &Path,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<ExtractReport, ExtractError> {
    let make = |path: &Path| {
        DirBuilder::new()
            .mode(0o700)
            .create(path)
            .map_err(|source| directory_error("create", path, source))
    };
    make(directory)?;
    let extracted = (|| {
        let rootfs = directory.join("rootfs");
        let links = directory.join("links");
        make(&rootfs)?;
        make(&links)?;
        let spool = spool_file(directory)?;
        let (tree, dropped) = build::spool(layers, &spool, options, progress)?;
        progress.step(Step::Extract {
            nodes: tree.len() as u64,
        });
        let lost = materialise::materialise(&tree, &spool, &rootfs, &links, progress)?;
        remove_extracted(&links)?;
        Ok(ExtractReport {
            rootfs,
            nodes: tree.len() as u64,
            lost_owners: lost.owners,
            lost_devices: lost.devices,
            lost_xattrs: lost.xattrs + dropped,
        })
    })();
    if extracted.is_err() {
        // The reason why it failed matters more than whether this works.
        let _ = remove_extracted(directory);
    }
    extracted
}

/// A file without a name.
fn spool_file(directory: &Path) -> Result<File, ExtractError> {
    let path = directory.join("spool");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(|source| directory_error("create", &path, source))?;
    fs::remove_file(&path).map_err(|source| directory_error("remove", &path, source))?;
    Ok(file)
}

fn directory_error(action: &'static str, path: &Path, source: io::Error) -> ExtractError {
    if is_full(&source) {
        return ExtractError::HostDiskFull(source);
    }
    ExtractError::Directory {
        action,
        path: path.to_owned(),
        source,
    }
}
