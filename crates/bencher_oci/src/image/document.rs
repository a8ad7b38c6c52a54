//! An image's JSON documents, byte for byte.

use std::sync::Arc;

use crate::{Descriptor, Digest};

/// A manifest or a configuration as it was found: whoever passes an image on must not change a
/// byte of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// What it is, as the image says.
    pub media_type: String,
    /// What its bytes hash to.
    pub digest: Digest,
    /// Its bytes.
    pub bytes: Arc<[u8]>,
}

impl Document {
    /// The verified bytes of what `descriptor` points at.
    pub(super) fn new(descriptor: &Descriptor, bytes: Vec<u8>) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.clone(),
            bytes: bytes.into(),
        }
    }
}
