//! Whether everything in the store is what it is said to be.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};

use super::error::{file_error, or_missing};
use super::index::{self, Index};
use super::reach::reach;
use super::{Store, StoreError};
use crate::Digest;
use crate::digest::Hasher;
use crate::hashed_buffer::CHUNK;

/// Something that is wrong with the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// The index can not be used.
    Index {
        /// Why.
        reason: String,
    },
    /// A blob's bytes are not the blob's.
    Content {
        /// The blob.
        blob: Digest,
        /// What they hash to.
        actual: Digest,
    },
    /// A blob can not be read.
    Unreadable {
        /// The blob.
        blob: Digest,
        /// Why.
        reason: String,
    },
    /// A blob of an image is not there.
    Missing {
        /// The image.
        image: Digest,
        /// The blob.
        blob: Digest,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index { reason } => write!(formatter, "{reason}"),
            Self::Content { blob, actual } => {
                write!(formatter, "blob {blob} is damaged, its content is {actual}")
            }
            Self::Unreadable { blob, reason } => {
                write!(formatter, "blob {blob} can not be read: {reason}")
            }
            Self::Missing { image, blob } => write!(formatter, "image {image} lacks blob {blob}"),
        }
    }
}

impl Store {
    /// Reads every blob, and looks whether every image is there as a whole. Others may add and
    /// remove images meanwhile.
    ///
    /// `advance` is told how many bytes were read, and ends the whole by returning `false`.
    ///
    /// # Errors
    /// [`StoreError::Cancelled`]; others if the store can not be read at all.
    pub fn verify(&self, advance: &dyn Fn(u64) -> bool) -> Result<Vec<Damage>, StoreError> {
        let mut damages = Vec::new();
        match index::read(self) {
            Ok(index) => self.verify_images(&index, &mut damages)?,
            Err(StoreError::Index { path, reason }) => damages.push(Damage::Index {
                reason: format!("{} {reason}", path.display()),
            }),
            Err(error) => return Err(error),
        }
        for blob in self.blobs()? {
            match self.hash(&blob.digest, advance) {
                // Removed meanwhile.
                Ok(None) => {}
                Ok(Some(actual)) if actual == blob.digest => {}
                Ok(Some(actual)) => damages.push(Damage::Content {
                    blob: blob.digest,
                    actual,
                }),
                Err(StoreError::File { cause, .. }) => damages.push(Damage::Unreadable {
                    blob: blob.digest,
                    reason: cause.to_string(),
                }),
                Err(error) => return Err(error),
            }
        }
        Ok(damages)
    }

    fn verify_images(&self, index: &Index, damages: &mut Vec<Damage>) -> Result<(), StoreError> {
        for root in index.roots() {
            let missing = reach(self, root)?.missing;
            // What was removed meanwhile lacks nothing.
            if missing.is_empty() || !index::read(self)?.has(&root.digest) {
                continue;
            }
            damages.extend(missing.into_iter().map(|blob| Damage::Missing {
                image: root.digest.clone(),
                blob,
            }));
        }
        Ok(())
    }

    /// What a blob's bytes hash to, if it is there.
    fn hash(
        &self,
        digest: &Digest,
        advance: &dyn Fn(u64) -> bool,
    ) -> Result<Option<Digest>, StoreError> {
        let path = self.blob_path(digest);
        let failed = |cause| file_error("read", &path, cause);
        let Some(mut file) = or_missing(File::open(&path)).map_err(failed)? else {
            return Ok(None);
        };
        let mut hasher = Hasher::like(digest);
        let mut buffer = vec![0; CHUNK];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => return Ok(Some(hasher.finish())),
                Ok(len) => {
                    hasher.update(&buffer[..len]);
                    if !advance(len as u64) {
                        return Err(StoreError::Cancelled);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
    }
}
