//! What an image is, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use bencher_oci::{Document, Image, Layer};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::printable::one_line;
use crate::units::ByteSize;

/// An image: its manifest for one platform, its configuration and its layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageReport {
    /// The image as it was asked for.
    pub reference: String,
    /// The name that its layout, its archive or the store has for it.
    pub name: Option<String>,
    /// What it runs on, as in linux/amd64.
    pub platform: String,
    /// When it was made, as it stands in the image.
    pub created: Option<String>,
    /// Its manifest. An archive of `docker save` has none.
    pub manifest: Option<BlobReport>,
    /// Its configuration. The digest of that is what Docker calls the image's ID.
    pub config: BlobReport,
    /// What it runs, and how.
    pub command: ConfigReport,
    /// Its layers, the lowest first.
    pub layers: Vec<LayerReport>,
    /// The bytes of its layers' blobs, each blob once.
    pub size_bytes: u64,
}

/// A document of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BlobReport {
    /// What it is, as the image says.
    pub media_type: String,
    /// What its bytes hash to.
    pub digest: String,
    /// Its length in bytes.
    pub size_bytes: u64,
}

/// What an image's configuration says of its command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReport {
    /// The program and the arguments that are always there.
    pub entrypoint: Vec<String>,
    /// The arguments behind it, or the whole command.
    pub cmd: Vec<String>,
    /// Variables, as NAME=VALUE.
    pub env: Vec<String>,
    /// The folder that it starts in; empty where the image does not say.
    pub working_dir: String,
    /// The user, and the group behind a colon; empty where the image does not say.
    pub user: String,
    /// What asks it to end.
    pub stop_signal: Option<String>,
    /// Free-form metadata.
    pub labels: BTreeMap<String, String>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LayerReport {
    /// What its blob is, as the manifest says; absent without a manifest.
    pub media_type: Option<String>,
    /// What its blob hashes to; absent without a manifest.
    pub digest: Option<String>,
    /// What its uncompressed content hashes to.
    pub diff_id: String,
    /// The length of its blob in bytes.
    pub size_bytes: u64,
}

impl ImageReport {
    /// Describes `image`, which was asked for as `reference`. No layer is read.
    pub fn of(image: &Image, reference: &str) -> Self {
        let config = &image.config;
        let sizes: BTreeMap<_, _> = image
            .layers
            .iter()
            .map(|layer| (layer.digest(), layer.compressed_size()))
            .collect();
        Self {
            reference: reference.to_owned(),
            name: image.name.clone(),
            platform: image.platform.to_string(),
            created: config.created.clone(),
            manifest: image.manifest.as_ref().map(blob),
            config: blob(&image.config_document),
            command: ConfigReport {
                entrypoint: config.entrypoint.clone(),
                cmd: config.cmd.clone(),
                env: config.env.clone(),
                working_dir: config.working_dir.clone(),
                user: config.user.clone(),
                stop_signal: config.stop_signal.clone(),
                labels: config.labels.clone(),
            },
            layers: image
                .layers
                .iter()
                .map(|of_image| layer(of_image, image.manifest.is_some()))
                .collect(),
            size_bytes: sizes.into_values().sum(),
        }
    }
}

fn blob(document: &Document) -> BlobReport {
    BlobReport {
        media_type: document.media_type.clone(),
        digest: document.digest.to_string(),
        size_bytes: document.bytes.len() as u64,
    }
}

fn layer(layer: &Layer, has_manifest: bool) -> LayerReport {
    LayerReport {
        media_type: layer.media_type().map(str::to_owned),
        digest: has_manifest.then(|| layer.digest().to_string()),
        diff_id: layer.diff_id().to_string(),
        size_bytes: layer.compressed_size(),
    }
}

/// For people: what the image says is hostile, and shown without control characters.
impl fmt::Display for ImageReport {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row =
            |name: &str, value: &str| writeln!(formatter, "{name:<12} {}", one_line(value));
        row("image", &self.reference)?;
        if let Some(name) = &self.name {
            row("name", name)?;
        }
        row("platform", &self.platform)?;
        if let Some(created) = &self.created {
            row("created", created)?;
        }
        let shown = |blob: &BlobReport| {
            let size = ByteSize::from_bytes(blob.size_bytes);
            format!("{}  {size}  {}", blob.digest, blob.media_type)
        };
        match &self.manifest {
            Some(manifest) => row("manifest", &shown(manifest))?,
            None => row("manifest", "- (an archive of `docker save` has none)")?,
        }
        row("config", &shown(&self.config))?;
        let command = &self.command;
        for (name, words) in [("entrypoint", &command.entrypoint), ("cmd", &command.cmd)] {
            if !words.is_empty() {
                row(name, &format!("{words:?}"))?;
            }
        }
        for variable in &command.env {
            row("env", variable)?;
        }
        let stop_signal = command.stop_signal.as_deref().unwrap_or_default();
        for (name, value) in [
            ("working dir", command.working_dir.as_str()),
            ("user", &command.user),
            ("stop signal", stop_signal),
        ] {
            if !value.is_empty() {
                row(name, value)?;
            }
        }
        for (name, value) in &command.labels {
            row("label", &format!("{name}={value}"))?;
        }
        for layer in &self.layers {
            let digest = layer.digest.as_ref().unwrap_or(&layer.diff_id);
            let size = ByteSize::from_bytes(layer.size_bytes);
            let media_type = layer.media_type.as_deref().unwrap_or("(content)");
            row("layer", &format!("{digest}  {size}  {media_type}"))?;
        }
        row("size", &ByteSize::from_bytes(self.size_bytes).to_string())
    }
}
