//! The manifest of an image for one platform: its configuration and its layers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::index::{check_media_type, check_schema_version};
use super::media_type::OCI_MANIFEST;
use super::{Descriptor, DocumentError, MediaKind, json};
use crate::Excerpt;

/// The most layers of one image. Builders stop at 127.
pub const MAX_LAYERS: usize = 512;

/// An OCI image manifest or a Docker manifest of schema 2: of a container image, not of an
/// artifact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageManifest {
    /// Where the configuration is.
    pub config: Descriptor,
    /// Where the layers are, the lowest first; at most [`MAX_LAYERS`], all of a kind that can be
    /// read.
    pub layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an image manifest")]
struct Raw {
    schema_version: Option<i64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<IgnoredAny>,
}

/// Parses the manifest of a container image.
///
/// # Errors
/// A [`DocumentError`] that says why the document is refused; an artifact that is not an image and
/// an image with layers that cannot be read (foreign, encrypted, of an unknown type) are.
pub fn parse_manifest(bytes: &[u8]) -> Result<ImageManifest, DocumentError> {
    let raw: Raw = json::parse(bytes)?;
    check_schema_version(raw.schema_version)?;
    check_media_type(raw.media_type.as_deref(), MediaKind::Manifest, OCI_MANIFEST)?;
    if raw.manifests.is_some() {
        return Err(DocumentError::IndexAndManifest);
    }
    let config = raw.config.ok_or(DocumentError::Missing("config"))?;
    if config.kind() != MediaKind::Config {
        // The artifact type says more than the type of a configuration that may be empty.
        let named = raw.artifact_type.filter(|name| !name.is_empty());
        let media_type = named.as_deref().unwrap_or(&config.media_type);
        return Err(DocumentError::Artifact(Excerpt::new(media_type)));
    }
    let layers = raw.layers.ok_or(DocumentError::Missing("layers"))?;
    if layers.len() > MAX_LAYERS {
        return Err(DocumentError::TooManyLayers {
            count: layers.len(),
            limit: MAX_LAYERS,
        });
    }
    let mut sizes = BTreeMap::new();
    for (position, layer) in layers.iter().enumerate() {
        check_layer(position + 1, layer)?;
        // Who fetches a blob once must know what it waits for.
        if *sizes.entry(&layer.digest).or_insert(layer.size) != layer.size {
            return Err(DocumentError::TwoSizes(layer.digest.clone()));
        }
    }
    Ok(ImageManifest { config, layers })
}

fn check_layer(number: usize, layer: &Descriptor) -> Result<(), DocumentError> {
    let media_type = Excerpt::new(&layer.media_type);
    match layer.kind() {
        MediaKind::Layer => Ok(()),
        MediaKind::ForeignLayer => Err(DocumentError::ForeignLayer { number, media_type }),
        MediaKind::EncryptedLayer => Err(DocumentError::EncryptedLayer { number, media_type }),
        _ => Err(DocumentError::UnknownLayer { number, media_type }),
    }
}
