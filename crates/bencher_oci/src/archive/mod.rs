//! Image archives: tar files whose entries are read in place.
//!
//! Nothing is ever extracted. A plain tar is scanned once, header by header, and its entries are
//! then ranges of the file. A compressed one is decompressed once into a file without a name.

mod header;
mod index;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;

pub use index::{ArchiveError, list_archive};

use crate::blob::BlobFile;
use crate::decompress::DecompressError;
use crate::limits::{Limits, show_bytes};
use index::ArchiveIndex;

/// An open archive.
#[derive(Debug)]
pub(crate) struct Archive {
    file: Arc<File>,
    index: ArchiveIndex,
}

/// Why an archive cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenArchiveError {
    /// The file cannot be opened or read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A fifo, a device, …
    #[error("is not a regular file")]
    NotAFile,
    /// Its compressed data is not valid.
    #[error("cannot be decompressed: {0}")]
    Decompress(DecompressError),
    /// It unpacks to more than [`Limits::archive_bytes`].
    #[error("unpacks to more than {}, the limit", show_bytes(*limit))]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// It unpacks to more than [`Limits::expansion_ratio`] allows.
    #[error(
        "unpacks to more than {ratio} times its size, the limit beyond {}",
        show_bytes(*allowance)
    )]
    Expands {
        /// The limit.
        ratio: u64,
        /// The number of bytes to which it does not apply.
        allowance: u64,
    },
    /// No space, or no permission, for the decompressed archive.
    #[error(
        "is compressed and cannot be unpacked into {folder}: {cause}; free some space there or \
         choose another folder"
    )]
    Scratch {
        /// The scratch folder.
        folder: String,
        /// What the system says.
        cause: io::Error,
    },
    /// It is not a tar, or not one that can be trusted.
    #[error("{0}")]
    Tar(ArchiveError),
}

impl Archive {
    /// Opens the archive at `path`; a compressed one is unpacked into a file without a name in
    /// the folder `scratch`.
    pub(crate) fn open(
        path: &Path,
        scratch: &Path,
        limits: &Limits,
    ) -> Result<Self, OpenArchiveError> {
        // Opening a fifo must not block.
        let file = File::options()
            .read(true)
            .custom_flags(OFlag::O_NONBLOCK.bits())
            .open(path)
            .map_err(OpenArchiveError::Read)?;
        if !file.metadata().map_err(OpenArchiveError::Read)?.is_file() {
            return Err(OpenArchiveError::NotAFile);
        }
        let blob = BlobFile::whole(file).map_err(OpenArchiveError::Read)?;
        let blob = unpack::unpack(blob, scratch, limits)?;
        let index = ArchiveIndex::scan(&blob).map_err(OpenArchiveError::Tar)?;
        Ok(Self {
            file: blob.into_file(),
            index,
        })
    }

    /// The regular file named `path` in the archive.
    pub(crate) fn file(&self, path: &str) -> Option<BlobFile> {
        let (offset, len) = self.index.find(path)?;
        Some(BlobFile::range(Arc::clone(&self.file), offset, len))
    }

    /// Whether the archive has more than one entry of this name.
    pub(crate) fn is_repeated(&self, path: &str) -> bool {
        self.index.is_repeated(path)
    }
}
