//! The content store: images that are fetched once and shared by all runners of a user.
//!
//! ```text
//! DIRECTORY/             an OCI image layout, so other tools can read it
//!   oci-layout
//!   index.json           the images: digests of their manifests, and their names
//!   index.lock           exclusive: the index is changed, or blobs are removed
//!   blobs/sha256/HEX     a whole blob, never changed
//!   partial/sha256-HEX   what has come of a blob so far; exclusive lock: it is being written
//!   leases/sha256-HEX    shared lock: the blob is in use, or the image of this manifest;
//!                        exclusive: it is being removed; its time: the last use
//! ```
//!
//! A blob appears by a rename, when its digest is right and it is on disk. What a writer leaves
//! when it dies is a partial file, which the next writer goes on with.
//!
//! **Who locks what.** A lease comes before the look at what it protects, so that what was found
//! stays. Who removes holds the lock of the index, and removes only what no image of the index
//! reaches and nobody has a lease of. Who adds an image holds leases of its blobs until the index
//! has the image. The kernel gives up a lock when its process dies.
//!
//! An image without a name is one whose name went to another image. It can be used by its digest.

mod add;
mod error;
mod find;
mod garbage;
mod index;
mod ingest;
mod lease;
mod lock;
mod reach;
#[cfg(test)]
mod tests;
mod verify;

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub use error::StoreError;
pub use garbage::Removal;
pub use ingest::{Ingest, Ingestion};
pub use lease::{BlobLease, ImageLease};
pub use verify::Damage;

use crate::Digest;
use error::{file_error, or_missing};
use lock::{Lock, Mode};

/// The marker of an image layout (OCI image specification, `image-layout.md`).
pub(crate) const LAYOUT_VERSION: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// A folder of images. Any number of processes can use it at once.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// An image of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    /// What identifies it: the digest of its manifest, or of its index.
    pub digest: Digest,
    /// The media type of that.
    pub media_type: String,
    /// The length of that in bytes.
    pub size: u64,
    /// Its names, sorted. An image whose names went to others has none.
    pub names: Vec<String>,
    /// When it was last used, or added.
    pub last_used: SystemTime,
    /// Those of its blobs that the store has, and their bytes.
    pub blobs: Vec<StoredBlob>,
    /// Those of its blobs that the store has lost: then it has to be added again.
    pub missing: Vec<Digest>,
}

/// A whole blob of the store.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBlob {
    /// What its bytes hash to.
    pub digest: Digest,
    /// How many bytes it has.
    pub bytes: u64,
}

/// What has come of a blob so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartialBlob {
    /// What its bytes will hash to.
    pub digest: Digest,
    /// How many bytes there are.
    pub bytes: u64,
    /// When the last of them came.
    pub modified: SystemTime,
}

impl Store {
    /// Opens the store in `folder`, which is made if need be.
    ///
    /// # Errors
    /// [`StoreError::Folder`] or [`StoreError::File`].
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let store = Self {
            folder: folder.to_owned(),
        };
        // Nobody else's business, and who can open the locks can hold them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|cause| StoreError::Folder {
                path: folder.to_owned(),
                cause,
            })?;
        for name in ["blobs/sha256", "blobs/sha512", "partial", "leases"] {
            store.make_folder(&folder.join(name))?;
        }
        store.make_marker()?;
        Ok(store)
    }

    /// Opens the store in `folder` if there is one.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_existing(folder: &Path) -> Result<Option<Self>, StoreError> {
        if folder.join("oci-layout").exists() {
            Self::open(folder).map(Some)
        } else {
            Ok(None)
        }
    }

    /// The folder that the store is in.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All images, in the order of their digests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn images(&self) -> Result<Vec<StoredImage>, StoreError> {
        index::read(self)?.images(self)
    }

    /// All whole blobs, in the order of their digests.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn blobs(&self) -> Result<Vec<StoredBlob>, StoreError> {
        let mut blobs = Vec::new();
        for algorithm in ["sha256", "sha512"] {
            for entry in entries(&self.folder.join("blobs").join(algorithm))? {
                // What has another name is not of the store's making.
                if let Ok(digest) = format!("{algorithm}:{}", entry.name).parse() {
                    let bytes = entry.bytes;
                    blobs.push(StoredBlob { digest, bytes });
                }
            }
        }
        blobs.sort();
        Ok(blobs)
    }

    /// All unfinished blobs.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn partial_blobs(&self) -> Result<Vec<PartialBlob>, StoreError> {
        let entries = entries(&self.folder.join("partial"))?;
        Ok(entries
            .into_iter()
            .filter_map(|entry| {
                Some(PartialBlob {
                    digest: from_flat_name(&entry.name)?,
                    bytes: entry.bytes,
                    modified: entry.modified,
                })
            })
            .collect())
    }

    /// Whether somebody writes the blob.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_being_written(&self, digest: &Digest) -> Result<bool, StoreError> {
        Lock::is_held(&self.partial_path(digest))
    }

    /// Whether somebody uses the blob, or the image with this manifest, or is about to write it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn is_in_use(&self, digest: &Digest) -> Result<bool, StoreError> {
        Lock::is_held(&self.lease_path(digest))
    }

    /// Opens a whole blob. Hold a lease of it.
    pub(crate) fn open_blob(&self, digest: &Digest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|cause| file_error("open", &path, cause))
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(digest.blob_path())
    }

    fn partial_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("partial").join(flat_name(digest))
    }

    fn lease_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("leases").join(flat_name(digest))
    }

    /// The length of a whole blob, if it is there.
    fn blob_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.blob_path(digest);
        let metadata = or_missing(path.symlink_metadata())
            .map_err(|cause| file_error("look at", &path, cause))?;
        Ok(metadata
            .filter(fs::Metadata::is_file)
            .map(|found| found.len()))
    }

    /// When the blob, or the image with this manifest, was last used.
    pub fn last_used(&self, digest: &Digest) -> SystemTime {
        [self.lease_path(digest), self.blob_path(digest)]
            .iter()
            .find_map(|path| path.metadata().and_then(|found| found.modified()).ok())
            .unwrap_or(SystemTime::UNIX_EPOCH)
    }

    fn lock_index(&self) -> Result<Lock, StoreError> {
        Lock::wait(&self.folder.join("index.lock"), Mode::Exclusive)
    }

    fn make_folder(&self, path: &Path) -> Result<(), StoreError> {
        fs::create_dir_all(path).map_err(|cause| StoreError::Folder {
            path: self.folder.clone(),
            cause,
        })
    }

    /// Without it other tools do not take the folder for a layout.
    fn make_marker(&self) -> Result<(), StoreError> {
        let path = self.folder.join("oci-layout");
        if path.exists() {
            return Ok(());
        }
        self.replace(&path, LAYOUT_VERSION.as_bytes())
    }

    /// Writes a file that others see whole or not at all.
    fn replace(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let write = || {
            let file = tempfile::NamedTempFile::new_in(&self.folder)?;
            io::Write::write_all(&mut file.as_file(), bytes)?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            File::open(&self.folder)?.sync_all()
        };
        write().map_err(|cause| file_error("write", path, cause))
    }
}

struct Entry {
    name: String,
    bytes: u64,
    modified: SystemTime,
}

/// The regular files of a folder, sorted by name.
fn entries(folder: &Path) -> Result<Vec<Entry>, StoreError> {
    let failed = |cause| file_error("list", folder, cause);
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        // Others remove files while we look.
        let Some(metadata) = or_missing(entry.metadata()).map_err(failed)? else {
            continue;
        };
        if metadata.is_file()
            && let Ok(name) = entry.file_name().into_string()
        {
            entries.push(Entry {
                name,
                bytes: metadata.len(),
                modified: metadata.modified().map_err(failed)?,
            });
        }
    }
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(entries)
}

/// A digest as a file name without folders.
fn flat_name(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm(), digest.hex())
}

fn from_flat_name(name: &str) -> Option<Digest> {
    name.replacen('-', ":", 1).parse().ok()
}
