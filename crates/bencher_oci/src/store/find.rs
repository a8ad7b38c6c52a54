//! Finding an image by what people write, and opening it.

use std::sync::Arc;

use super::index::{self, Index, Root};
use super::{Store, StoreError, StoredImage};
use crate::{Digest, Excerpt, Image, ImageOptions, Listing};

/// How many digits of a digest are enough to mean it.
const LEAST_DIGITS: usize = 8;

impl Store {
    /// The image that `text` means: a name as it is written for a registry (`busybox` is
    /// `docker.io/library/busybox:latest`), a digest of a manifest or an index, with a name before
    /// it or not, or at least 8 of the digits that such a digest begins with.
    ///
    /// # Errors
    /// [`StoreError::Unknown`], [`StoreError::Ambiguous`]; others if the store can not be read.
    pub fn find(&self, text: &str) -> Result<StoredImage, StoreError> {
        let index = index::read(self)?;
        index.image(self, find(&index, text)?)
    }

    /// Opens the image that `text` means, as [`Store::find`] understands it. For as long as the
    /// result, or a copy of it, lives, nobody removes the image.
    ///
    /// # Errors
    /// As [`Store::find`], and [`StoreError::Image`].
    pub fn open_image(&self, text: &str, options: &ImageOptions) -> Result<Image, StoreError> {
        let digest = find(&index::read(self)?, text)?.digest.clone();
        self.open_found(&digest, text, options)
    }

    /// Opens an image that was in the index a moment ago.
    pub(super) fn open_found(
        &self,
        digest: &Digest,
        text: &str,
        options: &ImageOptions,
    ) -> Result<Image, StoreError> {
        let lease = self.lease_image(digest)?;
        let index = index::read(self)?;
        if !index.has(digest) {
            // Someone removed it before there was a lease.
            return Err(unknown(&index, text));
        }
        let name = Excerpt::new(text).to_string();
        let mut image = Image::open_in_layout(&self.folder, digest, &name, options)
            .map_err(StoreError::Image)?;
        image.lease = Some(Arc::new(lease));
        Ok(image)
    }
}

pub(super) fn find<'a>(index: &'a Index, text: &str) -> Result<&'a Root, StoreError> {
    if let Some(root) = index.named(text) {
        return Ok(root);
    }
    // The content is what its digest says, whatever name stands before it.
    let digest = text.rsplit_once('@').map_or(text, |(_, digest)| digest);
    if let Ok(digest) = digest.parse::<Digest>() {
        return index
            .roots()
            .find(|root| root.digest == digest)
            .ok_or_else(|| unknown(index, text));
    }
    let digits = digest.strip_prefix("sha256:").unwrap_or(digest);
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if digits.len() < LEAST_DIGITS || !digits.bytes().all(is_hex) {
        return Err(unknown(index, text));
    }
    let mut found = index
        .roots()
        .filter(|root| root.digest.hex().starts_with(digits));
    match (found.next(), found.next()) {
        (Some(root), None) => Ok(root),
        (None, _) => Err(unknown(index, text)),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(found);
            Err(StoreError::Ambiguous {
                text: Excerpt::new(text),
                digests: Listing::new(all.map(|root| root.digest.to_string())),
            })
        }
    }
}

pub(super) fn unknown(index: &Index, text: &str) -> StoreError {
    StoreError::Unknown {
        text: Excerpt::new(text),
        names: index.listing(),
    }
}
