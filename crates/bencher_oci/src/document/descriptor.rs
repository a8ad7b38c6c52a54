//! Descriptors: how one part of an image points at another.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::MediaKind;
use super::json::null_as_default;
use crate::{Digest, Platform};

/// A reference to a blob (OCI image specification, `descriptor.md`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a descriptor")]
pub struct Descriptor {
    /// What the blob is. The specification requires it.
    pub media_type: String,
    /// What the blob's bytes hash to.
    pub digest: Digest,
    /// How many bytes the blob has.
    pub size: u64,
    /// In an index: what the manifest's image runs on.
    #[serde(default)]
    platform: Option<RawPlatform>,
    #[serde(default, deserialize_with = "null_as_default")]
    annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(expecting = "a platform")]
struct RawPlatform {
    architecture: String,
    os: String,
    #[serde(default)]
    variant: Option<String>,
}

impl Descriptor {
    /// A descriptor that says nothing but the necessary.
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// What the media type stands for.
    pub fn kind(&self) -> MediaKind {
        MediaKind::of(&self.media_type)
    }

    /// In an index: what the manifest's image runs on, where it is said.
    pub fn platform(&self) -> Option<Platform> {
        self.platform
            .as_ref()
            .map(|raw| Platform::new(&raw.os, &raw.architecture, raw.variant.as_deref()))
    }

    /// Whether this is a manifest that `BuildKit` puts beside an image's (provenance, SBOM): it
    /// looks like an image's but is none.
    pub(crate) fn is_attestation(&self) -> bool {
        self.annotations
            .get("vnd.docker.reference.type")
            .is_some_and(|kind| kind == "attestation-manifest")
            || self
                .platform
                .as_ref()
                .is_some_and(|raw| raw.os == "unknown" && raw.architecture == "unknown")
    }

    /// The tag, or whatever else the layout's author put into
    /// `org.opencontainers.image.ref.name`.
    pub(crate) fn ref_name(&self) -> Option<&str> {
        self.annotations
            .get("org.opencontainers.image.ref.name")
            .map(String::as_str)
    }

    /// The full name with the tag, as containerd and Docker annotate it.
    pub(crate) fn image_name(&self) -> Option<&str> {
        self.annotations
            .get("io.containerd.image.name")
            .map(String::as_str)
    }
}
