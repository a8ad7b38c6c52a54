//! Leases: what somebody uses is not removed.

use super::StoreError;
use super::lock::{Lock, Mode};
use super::{Store, error::remove_file};
use crate::Digest;

/// A whole blob that nobody removes for as long as this lives.
#[derive(Debug)]
pub struct BlobLease {
    digest: Digest,
    _lock: Lock,
}

/// An image that nobody removes for as long as this lives.
#[derive(Debug)]
pub struct ImageLease {
    _lock: Lock,
}

impl BlobLease {
    /// The blob.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn new(digest: &Digest, lock: Lock) -> Self {
        Self {
            digest: digest.clone(),
            _lock: lock,
        }
    }
}

impl Store {
    /// A lease of whatever has the digest, taken before the look at it. Waits while it is being
    /// removed, which is short.
    pub(super) fn lease(&self, digest: &Digest) -> Result<Lock, StoreError> {
        Lock::wait(&self.lease_path(digest), Mode::Shared)
    }

    /// A lease of an image, which counts as a use of it.
    pub(super) fn lease_image(&self, digest: &Digest) -> Result<ImageLease, StoreError> {
        let lock = self.lease(digest)?;
        lock.touch(&self.lease_path(digest))?;
        Ok(ImageLease { _lock: lock })
    }

    /// The right to remove what has the digest, unless somebody uses it. The lock's file goes with
    /// it: see [`Store::end_lease`].
    pub(super) fn try_seize(&self, digest: &Digest) -> Result<Option<Lock>, StoreError> {
        Lock::try_exclusive(&self.lease_path(digest))
    }

    /// Removes the file of a lease that was seized.
    pub(super) fn end_lease(&self, digest: &Digest, _seized: Lock) -> Result<(), StoreError> {
        remove_file(&self.lease_path(digest))
    }
}
