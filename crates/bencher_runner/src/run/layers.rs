//! Layers of an image as the root filesystem takes them: where two crates that do not know each
//! other meet.

use std::io::Read;

use bencher_oci::{Image, Layer};
use bencher_rootfs::{BoxedError, LayerSource};

use super::RunError;

/// A layer whose content has a SHA-256.
#[derive(Debug)]
pub(crate) struct SourceLayer<'a> {
    layer: &'a Layer,
    diff_id: [u8; 32],
}

/// The layers of `image`, lowest first.
pub(crate) fn layers(image: &Image) -> Result<Vec<SourceLayer<'_>>, RunError> {
    image
        .layers
        .iter()
        .map(|layer| {
            let mut diff_id = [0; 32];
            let digest = layer.diff_id();
            if digest.algorithm() != "sha256"
                || hex::decode_to_slice(digest.hex(), &mut diff_id).is_err()
            {
                return Err(RunError::DiffIdAlgorithm {
                    diff_id: digest.to_string(),
                });
            }
            Ok(SourceLayer { layer, diff_id })
        })
        .collect()
}

impl LayerSource for SourceLayer<'_> {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError> {
        // Whoever takes a `LayerSource` verifies its diff_id.
        Ok(Box::new(self.layer.open_without_diff_id()?))
    }

    fn give_up(&self) {
        self.layer.give_up();
    }

    fn compressed_size(&self) -> u64 {
        self.layer.compressed_size()
    }

    fn memory_bytes(&self) -> u64 {
        self.layer.window_bytes()
    }

    fn uncompressed_size_hint(&self) -> Option<u64> {
        self.layer.uncompressed_size_hint()
    }

    fn announced_size(&self) -> Option<u64> {
        self.layer.announced_size()
    }

    fn diff_id(&self) -> [u8; 32] {
        self.diff_id
    }

    fn name(&self) -> String {
        self.layer.digest().to_string()
    }
}
