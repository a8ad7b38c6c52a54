//! The index of an image: one manifest per platform; also a layout's `index.json`.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::media_type::OCI_INDEX;
use super::{Descriptor, DocumentError, MediaKind, json};
use crate::Excerpt;

/// An OCI image index or a Docker manifest list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageIndex {
    /// Manifests and further indexes, in the document's order.
    pub manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "an image index")]
struct Raw {
    schema_version: Option<i64>,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    layers: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
}

/// Parses an OCI image index, a Docker manifest list, or the `index.json` of an image layout.
///
/// # Errors
/// A [`DocumentError`] that says why the document is refused.
pub fn parse_index(bytes: &[u8]) -> Result<ImageIndex, DocumentError> {
    let raw: Raw = json::parse(bytes)?;
    check_schema_version(raw.schema_version)?;
    check_media_type(raw.media_type.as_deref(), MediaKind::Index, OCI_INDEX)?;
    let manifests = raw.manifests.ok_or(DocumentError::Missing("manifests"))?;
    if raw.layers.is_some() || raw.config.is_some() {
        return Err(DocumentError::IndexAndManifest);
    }
    Ok(ImageIndex { manifests })
}

pub(super) fn check_schema_version(version: Option<i64>) -> Result<(), DocumentError> {
    match version {
        Some(2) => Ok(()),
        Some(1) => Err(DocumentError::SchemaOne),
        Some(other) => Err(DocumentError::SchemaVersion {
            found: other.to_string(),
        }),
        None => Err(DocumentError::SchemaVersion {
            found: "none".to_owned(),
        }),
    }
}

/// The document's own media type may be missing (it is optional in OCI documents) but must not
/// contradict what the document was taken for.
pub(super) fn check_media_type(
    media_type: Option<&str>,
    kind: MediaKind,
    expected: &'static str,
) -> Result<(), DocumentError> {
    match media_type {
        None | Some("") => Ok(()),
        Some(media_type) => match MediaKind::of(media_type) {
            found if found == kind => Ok(()),
            MediaKind::SchemaOne => Err(DocumentError::SchemaOne),
            _ => Err(DocumentError::MediaType {
                found: Excerpt::new(media_type),
                expected,
            }),
        },
    }
}
