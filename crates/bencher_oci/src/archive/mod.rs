//! Image archives: tar files whose entries are read in place.
//!
//! Nothing is ever extracted. A plain tar is scanned once, header by header, and its entries are
//! then ranges of the file. A compressed one is decompressed once into a file without a name.

mod header;
mod index;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::OFlag;

pub use index::{ArchiveError, list_archive};

use crate::blob::{BlobFile, BlobStream};
use crate::decompress::{Compression, Decoder, DecompressError};
use crate::hashed_buffer::CHUNK;
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
        let blob = unpack(blob, scratch, limits)?;
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

/// The blob itself if it is not compressed, else a temporary file with what it decompresses to.
fn unpack(blob: BlobFile, scratch: &Path, limits: &Limits) -> Result<BlobFile, OpenArchiveError> {
    let mut stream = BlobStream::new(blob.clone(), None);
    let beginning = stream.fill_buf().map_err(OpenArchiveError::Read)?;
    if Compression::of(beginning).map_err(OpenArchiveError::Decompress)? == Compression::None {
        return Ok(blob);
    }
    let mut decoder = Decoder::new(stream, limits.zstd_window_bytes).map_err(read_error)?;
    let write_error = |cause| OpenArchiveError::Scratch {
        folder: scratch.display().to_string(),
        cause,
    };
    let mut file = tempfile::tempfile_in(scratch).map_err(write_error)?;
    let mut buffer = vec![0; CHUNK];
    let mut total: u64 = 0;
    loop {
        let len = match decoder.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(read_error(error)),
        };
        total += len as u64;
        if total > limits.archive_bytes {
            return Err(OpenArchiveError::TooLarge {
                limit: limits.archive_bytes,
            });
        }
        file.write_all(&buffer[..len]).map_err(write_error)?;
    }
    BlobFile::whole(file).map_err(write_error)
}

fn read_error(error: io::Error) -> OpenArchiveError {
    match error.downcast::<DecompressError>() {
        Ok(error) => OpenArchiveError::Decompress(error),
        Err(error) => OpenArchiveError::Read(error),
    }
}
