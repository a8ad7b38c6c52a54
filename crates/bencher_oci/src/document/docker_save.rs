//! `manifest.json` of a `docker save` archive.

use serde::Deserialize;

use super::json::null_as_default;
use super::{DocumentError, MAX_LAYERS, json};

/// One image of a `docker save` archive. The paths are names of entries of the archive.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "a saved image")]
pub struct SavedImage {
    /// Where the configuration is.
    pub config: String,
    /// The image's names, each with a tag: `busybox:latest`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub repo_tags: Vec<String>,
    /// Where the layers are, the lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<String>,
}

/// Parses the `manifest.json` of a `docker save` archive: one element per image, at least one.
///
/// # Errors
/// A [`DocumentError`] that says why the document is refused.
pub fn parse_docker_save(bytes: &[u8]) -> Result<Vec<SavedImage>, DocumentError> {
    let images: Vec<SavedImage> = json::parse(bytes)?;
    if images.is_empty() {
        return Err(DocumentError::Empty);
    }
    match images.iter().map(|image| image.layers.len()).max() {
        Some(count) if count > MAX_LAYERS => Err(DocumentError::TooManyLayers {
            count,
            limit: MAX_LAYERS,
        }),
        _ => Ok(images),
    }
}
