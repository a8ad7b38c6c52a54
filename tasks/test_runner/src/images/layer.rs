//! One layer: a gzip-compressed tar that is hashed on both sides of the compression.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{EntryType, Header};

use super::layout::BLOBS;

/// The modification time of every entry that the harness itself makes: 2024-01-01 00:00:00 UTC.
pub(crate) const TIMESTAMP: u64 = 1_704_067_200;

/// The unit of a tar, in bytes.
const BLOCK: usize = 512;

/// A finished layer, as a manifest and a configuration name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The digest of the compressed bytes: `sha256:…`.
    pub(crate) digest: String,
    /// The number of the compressed bytes.
    pub(crate) size: u64,
    /// The digest of the tar: `sha256:…`.
    pub(crate) diff_id: String,
}

/// Counts and hashes what passes through.
#[derive(Debug)]
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    length: u64,
}

impl<W> Hashing<W> {
    fn new(inner: W) -> Self {
        Self {
            inner,
            hash: Sha256::new(),
            length: 0,
        }
    }

    fn digest(self) -> String {
        format!("sha256:{}", hex::encode(self.hash.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hash.update(&bytes[..count]);
        self.length += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Writes one layer into the blobs of a layout.
#[derive(Debug)]
pub(crate) struct LayerWriter {
    blobs: PathBuf,
    partial: PathBuf,
    tar: Hashing<GzEncoder<Hashing<BufWriter<File>>>>,
}

impl LayerWriter {
    /// Begins a layer of `layout`; `name` tells layers apart that are written at the same time.
    ///
    /// # Errors
    ///
    /// When the file can not be made.
    pub(crate) fn create(layout: &Path, name: &str) -> anyhow::Result<Self> {
        let blobs = layout.join(BLOBS);
        fs::create_dir_all(&blobs).with_context(|| format!("cannot make {}", blobs.display()))?;
        let partial = blobs.join(format!(".{name}"));
        let file =
            File::create(&partial).with_context(|| format!("cannot make {}", partial.display()))?;
        let gzip = GzEncoder::new(Hashing::new(BufWriter::new(file)), Compression::default());
        Ok(Self {
            blobs,
            partial,
            tar: Hashing::new(gzip),
        })
    }

    /// Adds a folder.
    ///
    /// # Errors
    ///
    /// When the path does not fit a tar header or writing fails.
    pub(crate) fn folder(&mut self, path: &str, mode: u32) -> anyhow::Result<()> {
        let mut header = header(EntryType::Directory, mode);
        header.set_path(format!("{path}/"))?;
        self.entry(header, &[])
    }

    /// Adds a regular file.
    ///
    /// # Errors
    ///
    /// As [`LayerWriter::folder`].
    pub(crate) fn file(&mut self, path: &str, mode: u32, contents: &[u8]) -> anyhow::Result<()> {
        let mut header = header(EntryType::Regular, mode);
        header.set_path(path)?;
        self.entry(header, contents)
    }

    /// Adds a symbolic link.
    ///
    /// # Errors
    ///
    /// As [`LayerWriter::folder`].
    pub(crate) fn symlink(&mut self, path: &str, target: &str) -> anyhow::Result<()> {
        let mut header = header(EntryType::Symlink, 0o777);
        header.set_path(path)?;
        header.set_link_name(target)?;
        self.entry(header, &[])
    }

    fn entry(&mut self, mut header: Header, contents: &[u8]) -> anyhow::Result<()> {
        header.set_size(contents.len() as u64);
        header.set_cksum();
        self.raw(header.as_bytes(), contents)
    }

    /// Adds `header` and `contents` as they are, and fills up the last block.
    ///
    /// # Errors
    ///
    /// When writing fails.
    pub(crate) fn raw(&mut self, header: &[u8; BLOCK], contents: &[u8]) -> anyhow::Result<()> {
        let padding = contents.len().next_multiple_of(BLOCK) - contents.len();
        self.tar
            .write_all(header)
            .and_then(|()| self.tar.write_all(contents))
            .and_then(|()| self.tar.write_all(&[0; BLOCK][..padding]))
            .with_context(|| format!("cannot write {}", self.partial.display()))
    }

    /// Ends the tar and gives the blob the name of its digest.
    ///
    /// # Errors
    ///
    /// When writing fails.
    pub(crate) fn finish(mut self) -> anyhow::Result<Layer> {
        let partial = &self.partial;
        let write = || format!("cannot write {}", partial.display());
        self.tar.write_all(&[0; 2 * BLOCK]).with_context(write)?;
        let mut blob = self.tar.inner.finish().with_context(write)?;
        blob.flush().with_context(write)?;
        let size = blob.length;
        let digest = blob.digest();
        let hash = self.tar.hash.finalize();
        let path = self.blobs.join(digest.trim_start_matches("sha256:"));
        fs::rename(partial, &path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Layer {
            digest,
            size,
            diff_id: format!("sha256:{}", hex::encode(hash)),
        })
    }
}

fn header(kind: EntryType, mode: u32) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(TIMESTAMP);
    header
}
