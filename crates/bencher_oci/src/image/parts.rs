//! An image taken apart into blobs, to be kept or written somewhere else.
//!
//! A `docker save` archive has no manifest and no digests of its blobs: both are made here, always
//! the same for the same archive.

use std::io;

use serde_json::json;

use super::{Document, Image};
use crate::blob::{BlobFile, BlobStream};
use crate::decompress::Compression;
use crate::digest::Hasher;
use crate::document::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use crate::{Digest, Layer, LayerError, LayerErrorReason};

/// The blobs of an image.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) manifest: Document,
    pub(crate) config: Document,
    /// The lowest first, one for each of the configuration's diff IDs.
    pub(crate) layers: Vec<Part>,
}

/// A layer's blob, whose content is not verified yet.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) media_type: String,
    pub(crate) digest: Digest,
    pub(crate) layer: Layer,
}

impl Part {
    fn of_layout(layer: &Layer) -> Self {
        Self {
            media_type: layer.media_type().unwrap_or(OCI_LAYER).to_owned(),
            digest: layer.digest().clone(),
            layer: layer.clone(),
        }
    }

    /// The blob.
    pub(crate) fn blob(&self) -> Result<BlobFile, LayerError> {
        self.layer.blob()
    }
}

impl Parts {
    /// Takes `image` apart.
    ///
    /// # Errors
    /// A layer of a `docker save` archive that can not be read.
    pub(crate) fn of(image: &Image) -> Result<Self, LayerError> {
        match &image.manifest {
            Some(manifest) => Ok(Self {
                manifest: manifest.clone(),
                config: image.config_document.clone(),
                layers: image.layers.iter().map(Part::of_layout).collect(),
            }),
            None => Self::of_docker_archive(image),
        }
    }

    fn of_docker_archive(image: &Image) -> Result<Self, LayerError> {
        let layers: Vec<_> = image.layers.iter().map(part).collect::<Result<_, _>>()?;
        // Docker's configuration is what OCI's was made from: the same bytes are both.
        let config = Document {
            media_type: OCI_CONFIG.to_owned(),
            ..image.config_document.clone()
        };
        let descriptors: Vec<_> = layers
            .iter()
            .map(|part| {
                json!({
                    "mediaType": part.media_type,
                    "digest": part.digest,
                    "size": part.layer.compressed_size(),
                })
            })
            .collect();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": {
                "mediaType": config.media_type,
                "digest": config.digest,
                "size": config.bytes.len(),
            },
            "layers": descriptors,
        });
        let bytes = manifest.to_string().into_bytes();
        Ok(Self {
            manifest: Document {
                media_type: OCI_MANIFEST.to_owned(),
                digest: Digest::sha256(&bytes),
                bytes: bytes.into(),
            },
            config,
            layers,
        })
    }
}

/// A layer of a `docker save` archive: its blob has to be read for its digest.
fn part(layer: &Layer) -> Result<Part, LayerError> {
    let blob = layer.blob()?;
    let read = || -> io::Result<(Compression, Option<Digest>)> {
        let hasher = Hasher::like(&Digest::sha256(b""));
        let mut stream = BlobStream::new(blob.clone(), Some(hasher));
        let compression =
            Compression::of(io::BufRead::fill_buf(&mut stream)?).map_err(io::Error::other)?;
        stream.drain()?;
        Ok((compression, stream.finish()?))
    };
    let failed = |error| layer.error(LayerErrorReason::Read(error));
    let (compression, digest) = read().map_err(failed)?;
    // The content's digest is the only one that the archive has: after this it has two.
    layer.open()?.finish()?;
    let suffix = match compression {
        Compression::None => "",
        Compression::Gzip => "+gzip",
        Compression::Zstd => "+zstd",
    };
    Ok(Part {
        media_type: format!("{OCI_LAYER}{suffix}"),
        digest: digest.unwrap_or_else(|| layer.diff_id().clone()),
        layer: layer.clone(),
    })
}
