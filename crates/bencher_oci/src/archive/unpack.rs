//! Compressed archives: their entries can not be read in place.

use std::fs::File;
use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::OpenArchiveError;
use crate::blob::{BlobFile, BlobStream};
use crate::decompress::{Compression, Decoder, DecompressError};
use crate::hashed_buffer::CHUNK;
use crate::limits::Limits;

/// The blob itself if it is not compressed, else a temporary file with what it decompresses to.
pub(super) fn unpack(
    blob: BlobFile,
    scratch: &Path,
    limits: &Limits,
) -> Result<BlobFile, OpenArchiveError> {
    let mut stream = BlobStream::new(blob.clone(), None);
    let beginning = stream.fill_buf().map_err(OpenArchiveError::Read)?;
    if Compression::of(beginning).map_err(OpenArchiveError::Decompress)? == Compression::None {
        return Ok(blob);
    }
    let fair = blob.len().saturating_mul(limits.expansion_ratio);
    let fair = fair.max(limits.expansion_allowance);
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
        if total > fair {
            return Err(OpenArchiveError::Expands {
                ratio: limits.expansion_ratio,
                allowance: limits.expansion_allowance,
            });
        }
        put(&mut file, &buffer[..len]).map_err(write_error)?;
    }
    file.set_len(total).map_err(write_error)?;
    BlobFile::whole(file).map_err(write_error)
}

/// Appends `bytes`, as a hole if they are nothing but zeroes, which is what bombs unpack to.
fn put(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    if bytes.iter().any(|&byte| byte != 0) {
        return file.write_all(bytes);
    }
    let length = i64::try_from(bytes.len()).map_err(io::Error::other)?;
    file.seek(SeekFrom::Current(length)).map(drop)
}

fn read_error(error: io::Error) -> OpenArchiveError {
    match error.downcast::<DecompressError>() {
        Ok(error) => OpenArchiveError::Decompress(error),
        Err(error) => OpenArchiveError::Read(error),
    }
}
