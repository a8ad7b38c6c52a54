//! What a layer may ask for before it is refused.

use std::fmt;

/// The longest file name, in bytes, on every Linux filesystem.
pub const MAX_NAME_LENGTH: usize = 255;

/// The longest target of a symbolic link, in bytes: `PATH_MAX` without its NUL.
pub const MAX_SYMLINK_LENGTH: usize = 4095;

/// Bounds on what layers may contain. Whatever exceeds one is an error that names it.
///
/// An image is hostile input: without these, a few kilobytes of it could fill the host's memory
/// or disk. The defaults leave room for every image seen in practice, and keep the memory of a
/// build below about 50 MB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Layers of an image. Container engines end at 127.
    pub layers: u64,
    /// Entries of all layers together. Each costs about 80 bytes of memory.
    pub entries: u64,
    /// Bytes of names, link targets and extended attributes of all layers together, each path
    /// counted as far as it differs from the one before it. They are kept in memory.
    pub metadata_bytes: u64,
    /// Bytes of the uncompressed streams of all layers together.
    pub total_bytes: u64,
    /// How many times larger than its compressed form a layer may be, once it exceeds
    /// [`expansion_allowance`](Self::expansion_allowance).
    pub expansion_ratio: u64,
    /// Uncompressed bytes of one layer to which no ratio applies: a file of zeroes compresses a
    /// thousandfold and is no attack.
    pub expansion_allowance: u64,
    /// Bytes of one file, holes included. ext4 ends just below 16 TiB.
    pub file_bytes: u64,
    /// Components of a path, and the depth of the directory that it resolves to.
    pub path_depth: u64,
    /// Bytes of a path, as the archive has it.
    pub path_bytes: u64,
    /// Bytes of one extended attribute's value (Linux: 64 KiB).
    pub xattr_value_bytes: u64,
    /// Bytes of names and values of the extended attributes of one entry.
    pub xattr_entry_bytes: u64,
    /// Bytes of the extended headers (PAX, GNU long names) of one entry.
    pub extended_header_bytes: u64,
    /// Stored parts of one sparse file.
    pub sparse_parts: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            layers: 128,
            entries: 400_000,
            metadata_bytes: 12 << 20,
            total_bytes: 64 << 30,
            expansion_ratio: 200,
            expansion_allowance: 1 << 30,
            file_bytes: (16 << 40) - 4096,
            path_depth: 1024,
            path_bytes: 4096,
            xattr_value_bytes: 64 << 10,
            xattr_entry_bytes: 128 << 10,
            extended_header_bytes: 1 << 20,
            sparse_parts: 65_536,
        }
    }
}

/// The name of one of the [`Limits`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Limit {
    /// [`Limits::layers`]
    Layers,
    /// [`Limits::entries`]
    Entries,
    /// [`Limits::metadata_bytes`]
    MetadataBytes,
    /// [`Limits::total_bytes`]
    TotalBytes,
    /// [`Limits::expansion_ratio`]
    ExpansionRatio,
    /// [`Limits::file_bytes`]
    FileBytes,
    /// [`Limits::path_depth`]
    PathDepth,
    /// [`Limits::path_bytes`]
    PathBytes,
    /// [`MAX_NAME_LENGTH`]
    NameBytes,
    /// [`MAX_SYMLINK_LENGTH`]
    SymlinkBytes,
    /// [`Limits::xattr_value_bytes`]
    XattrValueBytes,
    /// [`Limits::xattr_entry_bytes`]
    XattrEntryBytes,
    /// [`Limits::extended_header_bytes`]
    ExtendedHeaderBytes,
    /// [`Limits::sparse_parts`]
    SparseParts,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Layers => "layers of an image",
            Self::Entries => "entries of an image",
            Self::MetadataBytes => "bytes of names and attributes of an image",
            Self::TotalBytes => "uncompressed bytes of an image",
            Self::ExpansionRatio => "expansion ratio of a layer",
            Self::FileBytes => "bytes of a file",
            Self::PathDepth => "depth of a path",
            Self::PathBytes => "bytes of a path",
            Self::NameBytes => "bytes of a file name",
            Self::SymlinkBytes => "bytes of a symbolic link's target",
            Self::XattrValueBytes => "bytes of an extended attribute's value",
            Self::XattrEntryBytes => "bytes of an entry's extended attributes",
            Self::ExtendedHeaderBytes => "bytes of an entry's extended headers",
            Self::SparseParts => "parts of a sparse file",
        })
    }
}

/// A limit was exceeded.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{entry}: beyond the limit on the {limit}, which is {maximum}")]
pub struct LimitError {
    /// Which.
    pub limit: Limit,
    /// Its value.
    pub maximum: u64,
    /// The entry (or layer) that exceeded it.
    pub entry: EntryName,
}

/// The name of an archive's entry as an error shows it: quoted, escaped, cut to a bearable length.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EntryName(Vec<u8>);

/// Bytes of a name shown in a message.
const SHOWN: usize = 256;

impl EntryName {
    /// The entry with this path, or something else that one would look for.
    pub fn new(path: &[u8]) -> Self {
        // One more than is shown, so that it is seen that there is more.
        Self(path[..path.len().min(SHOWN + 1)].to_vec())
    }
}

impl fmt::Display for EntryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.0[..self.0.len().min(SHOWN)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if self.0.len() > SHOWN {
            f.write_str("…")?;
        }
        Ok(())
    }
}
