//! Removing: only what no image needs and nobody uses.

use std::collections::BTreeSet;

use super::error::remove_file;
use super::find::{find, unknown};
use super::index::{self, Index};
use super::lock::Lock;
use super::reach::reach;
use super::{Store, StoreError, entries, from_flat_name};
use crate::Digest;

/// What became of something that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is gone, and so many bytes with it.
    Done {
        /// Bytes of files that were removed.
        bytes: u64,
    },
    /// Somebody uses it: it is all there.
    InUse,
}

impl Store {
    /// Removes an image with all of its names, and the blobs that no other image has.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] if there is none; others if it can not be removed.
    pub fn remove_image(&self, digest: &Digest) -> Result<Removal, StoreError> {
        let lock = self.lock_index()?;
        let mut index = index::read(self)?;
        if !index.has(digest) {
            return Err(unknown(&index, &digest.to_string()));
        }
        // Who uses the image has a lease of this.
        let Some(seized) = self.try_seize(digest)? else {
            return Ok(Removal::InUse);
        };
        index.remove_image(digest);
        index.clone().write(self, &lock)?;
        drop(seized);
        let bytes = self.sweep(&index, &lock)?;
        Ok(Removal::Done { bytes })
    }

    /// Removes the image that `text` means, as [`Store::find`] understands it. A name of an image
    /// that has others is all that is removed.
    ///
    /// # Errors
    /// As [`Store::find`] and [`Store::remove_image`].
    pub fn remove(&self, text: &str) -> Result<Removal, StoreError> {
        let lock = self.lock_index()?;
        let mut index = index::read(self)?;
        let digest = find(&index, text)?.digest.clone();
        let names = index.names_of(&digest).len();
        if names > 1 && index.named(text).is_some() {
            index.remove_name(text);
            index.write(self, &lock)?;
            return Ok(Removal::Done { bytes: 0 });
        }
        drop(lock);
        self.remove_image(&digest)
    }

    /// Removes blobs that no image has and nobody uses or adds, and returns their bytes.
    ///
    /// # Errors
    /// [`StoreError`]: then nothing that an image has is removed.
    pub fn remove_unreachable(&self) -> Result<u64, StoreError> {
        let lock = self.lock_index()?;
        self.sweep(&index::read(self)?, &lock)
    }

    /// Removes a blob, unless an image has it, or somebody uses it or adds an image that has it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_blob(&self, digest: &Digest) -> Result<Removal, StoreError> {
        let _lock = self.lock_index()?;
        let needed = self.reached(&index::read(self)?)?;
        if needed.contains(digest) {
            return Ok(Removal::InUse);
        }
        self.remove_file_of(digest)
    }

    /// Removes what has come of a blob, unless somebody is writing it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_partial(&self, digest: &Digest) -> Result<Removal, StoreError> {
        let path = self.partial_path(digest);
        let Some(lock) = Lock::try_exclusive(&path)? else {
            return Ok(Removal::InUse);
        };
        let bytes = lock.file().metadata().map_or(0, |found| found.len());
        remove_file(&path)?;
        Ok(Removal::Done { bytes })
    }

    /// Removes a damaged blob, so that it is fetched again, unless somebody uses it.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn remove_damaged(&self, digest: &Digest) -> Result<Removal, StoreError> {
        let _lock = self.lock_index()?;
        self.remove_file_of(digest)
    }

    /// Removes everything that no image reaches. The lock of the index is held.
    fn sweep(&self, index: &Index, _lock: &Lock) -> Result<u64, StoreError> {
        let needed = self.reached(index)?;
        let mut removed = 0;
        for blob in self.blobs()? {
            if !needed.contains(&blob.digest)
                && let Removal::Done { bytes } = self.remove_file_of(&blob.digest)?
            {
                removed += bytes;
            }
        }
        // Leases of blobs that never came.
        for entry in entries(&self.folder.join("leases"))? {
            if let Some(digest) = from_flat_name(&entry.name)
                && self.blob_len(&digest)?.is_none()
                && let Some(seized) = self.try_seize(&digest)?
            {
                self.end_lease(&digest, seized)?;
            }
        }
        Ok(removed)
    }

    /// The blobs that images have.
    fn reached(&self, index: &Index) -> Result<BTreeSet<Digest>, StoreError> {
        let mut reached = BTreeSet::new();
        for root in index.roots() {
            let present = reach(self, root)?.present;
            reached.extend(present.into_iter().map(|blob| blob.digest));
        }
        Ok(reached)
    }

    /// Removes a blob, whoever has it, unless somebody uses it.
    fn remove_file_of(&self, digest: &Digest) -> Result<Removal, StoreError> {
        let Some(seized) = self.try_seize(digest)? else {
            return Ok(Removal::InUse);
        };
        let bytes = self.blob_len(digest)?.unwrap_or_default();
        remove_file(&self.blob_path(digest))?;
        self.end_lease(digest, seized)?;
        Ok(Removal::Done { bytes })
    }
}
