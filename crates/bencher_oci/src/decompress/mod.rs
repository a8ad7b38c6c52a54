//! Decompression of layers and archives.
//!
//! The data's first bytes say how it is compressed, as in containerd, Docker and skopeo: tools
//! mislabel (a plain layer under a gzip media type, zstd under gzip), and since the digests cover
//! the content a wrong label harms nobody.

mod gzip;
#[cfg(test)]
mod tests;
mod zstd;
mod zstd_frames;

use std::io::{self, BufRead, Read};

pub(crate) use gzip::{GzipReader, size_hint as gzip_size_hint};
pub(crate) use zstd::ZstdReader;
pub(crate) use zstd_frames::{size_hint as zstd_size_hint, window_limit as zstd_window_limit};

use crate::limits::show_bytes;

/// What can be wrong with compressed data. The messages follow what the data is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecompressError {
    /// The data ends in the middle of a gzip member.
    #[error("its gzip data is truncated: get the image again")]
    GzipTruncated,
    /// A member's header has another magic number, method or flags than RFC 1952 knows.
    #[error("its gzip data has a bad member header")]
    GzipHeader,
    /// The deflate data is not valid.
    #[error("its gzip data is corrupt")]
    GzipData,
    /// A member's CRC-32 or length is another one than its data's.
    #[error("its gzip data has a wrong checksum or length")]
    GzipChecksum,
    /// Behind a member stands something that is neither a member nor zeros.
    #[error("its gzip data is followed by other data")]
    GzipTrailing,
    /// The data ends in the middle of a zstd frame.
    #[error("its zstd data is truncated: get the image again")]
    ZstdTruncated,
    /// The frame asks for a larger window than the limit allows.
    #[error(
        "its zstd data needs a window of more than {}, the limit: compress the image with a lower \
         level, without `--long`",
        show_bytes(*limit)
    )]
    ZstdWindow {
        /// The limit in bytes.
        limit: u64,
    },
    /// The zstd library's own words.
    #[error("its zstd data is corrupt: {0}")]
    Zstd(&'static str),
    /// Compressed with something that images do not use.
    #[error("it is compressed with {0}: only gzip and zstd are supported")]
    Unsupported(&'static str),
}

impl From<DecompressError> for io::Error {
    fn from(error: DecompressError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// How data is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// What the data's first bytes say.
    pub(crate) fn of(beginning: &[u8]) -> Result<Self, DecompressError> {
        match beginning {
            [0x1f, 0x8b, 0x08, ..] => Ok(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Ok(Self::Zstd),
            // A skippable frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Self::Zstd),
            [0xfd, b'7', b'z', b'X', b'Z', 0x00, ..] => Err(DecompressError::Unsupported("xz")),
            // With the magic number of the first block: "BZh" alone could begin a file's name.
            [
                b'B',
                b'Z',
                b'h',
                b'1'..=b'9',
                0x31,
                0x41,
                0x59,
                0x26,
                0x53,
                0x59,
                ..,
            ] => Err(DecompressError::Unsupported("bzip2")),
            _ => Ok(Self::None),
        }
    }
}

/// A stream decompressed according to its first bytes.
#[derive(Debug)]
pub(crate) enum Decoder<R> {
    Plain(R),
    Gzip(GzipReader<R>),
    Zstd(ZstdReader<R>),
}

impl<R: BufRead> Decoder<R> {
    /// Looks at the beginning of `input`, whose first buffer holds it.
    pub(crate) fn new(mut input: R, zstd_window_bytes: u32) -> io::Result<Self> {
        Ok(match Compression::of(input.fill_buf()?)? {
            Compression::None => Self::Plain(input),
            Compression::Gzip => Self::Gzip(GzipReader::new(input)),
            Compression::Zstd => Self::Zstd(ZstdReader::new(input, zstd_window_bytes)?),
        })
    }

    pub(crate) fn compression(&self) -> Compression {
        match self {
            Self::Plain(_) => Compression::None,
            Self::Gzip(_) => Compression::Gzip,
            Self::Zstd(_) => Compression::Zstd,
        }
    }

    pub(crate) fn input_mut(&mut self) -> &mut R {
        match self {
            Self::Plain(input) => input,
            Self::Gzip(reader) => reader.input_mut(),
            Self::Zstd(reader) => reader.input_mut(),
        }
    }
}

/// The end of this stream is the end of the input: nothing follows the compressed data unread.
impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(input) => input.read(out),
            Self::Gzip(reader) => reader.read(out),
            Self::Zstd(reader) => reader.read(out),
        }
    }
}
