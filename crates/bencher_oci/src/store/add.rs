//! Adding an image.

use super::index::{self, Root};
use super::reach::reach;
use super::{BlobLease, ImageLease, Ingestion, Store, StoreError};
use crate::hashed_buffer::CHUNK;
use crate::image::Parts;
use crate::{Cancellation, Digest, Excerpt, Image, LayerErrorReason, MediaKind};

impl Store {
    /// Makes an image of blobs that are there, and gives it a name, which is taken away from the
    /// image that had it. `media_type`, `digest` and `size` are of its manifest, or of an index
    /// that leads to at least one manifest that is there.
    ///
    /// Hold leases of all of its blobs until this returns: others remove what no image has.
    ///
    /// # Errors
    /// [`StoreError::Incomplete`], [`StoreError::NotAnImage`], [`StoreError::Name`]; others if the
    /// index can not be changed.
    pub fn add_image(
        &self,
        name: &str,
        media_type: &str,
        digest: &Digest,
        size: u64,
    ) -> Result<ImageLease, StoreError> {
        if !matches!(
            MediaKind::of(media_type),
            MediaKind::Manifest | MediaKind::Index
        ) {
            return Err(StoreError::NotAnImage {
                media_type: Excerpt::new(media_type),
            });
        }
        let root = Root {
            media_type: media_type.to_owned(),
            digest: digest.clone(),
            size,
        };
        // Nobody removes anything between the look at the blobs and the change of the index.
        let lock = self.lock_index()?;
        if let Some(missing) = reach(self, &root)?.missing.into_iter().next() {
            return Err(StoreError::Incomplete(missing));
        }
        let mut index = index::read(self)?;
        index.set_name(name, root)?;
        let lease = self.lease_image(digest)?;
        index.write(self, &lock)?;
        Ok(lease)
    }

    /// Copies an image into the store. Its layers' digests are verified, not their diff IDs. Waits
    /// while others write the same blobs, and ends when `cancellation` says so.
    ///
    /// # Errors
    /// [`StoreError::Layer`] and all that writing blobs and [`Store::add_image`] can fail of.
    pub fn copy_image(
        &self,
        image: &Image,
        name: &str,
        cancellation: &Cancellation,
    ) -> Result<ImageLease, StoreError> {
        let parts = Parts::of(image)?;
        let mut leases = Vec::new();
        for part in &parts.layers {
            let blob = part.blob()?;
            let read = |buffer: &mut [u8], position| {
                blob.read_exact_at(buffer, position)
                    .map_err(|error| part.layer.error(LayerErrorReason::Read(error)).into())
            };
            leases.push(self.copy(&part.digest, blob.len(), read, cancellation)?);
        }
        for document in [&parts.config, &parts.manifest] {
            let bytes = &document.bytes;
            let read = |buffer: &mut [u8], position: u64| {
                let start = usize::try_from(position).unwrap_or(bytes.len());
                buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
                Ok(())
            };
            leases.push(self.copy(&document.digest, bytes.len() as u64, read, cancellation)?);
        }
        let manifest = &parts.manifest;
        let size = manifest.bytes.len() as u64;
        self.add_image(name, &manifest.media_type, &manifest.digest, size)
    }

    /// Writes a blob that `read` can read from any place on, unless it is there.
    fn copy(
        &self,
        digest: &Digest,
        size: u64,
        read: impl Fn(&mut [u8], u64) -> Result<(), StoreError>,
        cancellation: &Cancellation,
    ) -> Result<BlobLease, StoreError> {
        let mut ingest = match self.ingest(digest, size, cancellation)? {
            Ingestion::Present(lease) => return Ok(lease),
            Ingestion::Missing(ingest) => ingest,
        };
        let mut buffer = vec![0; CHUNK];
        while ingest.offset() < size {
            if cancellation.is_cancelled() {
                return Err(StoreError::Cancelled);
            }
            let left = usize::try_from(size - ingest.offset()).unwrap_or(CHUNK);
            let chunk = &mut buffer[..left.min(CHUNK)];
            read(chunk, ingest.offset())?;
            ingest.write(chunk)?;
        }
        ingest.commit()
    }
}
