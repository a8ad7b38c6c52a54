//! The rest of an OCI image layout: configuration, manifest, index.
//!
//! Specification: <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::layer::Layer;

/// Where a layout keeps its blobs.
pub(crate) const BLOBS: &str = "blobs/sha256";

const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The tag of the only image.
pub(crate) const TAG: &str = "latest";

/// The architecture of this machine, as images name it.
pub(crate) const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// Writes everything but the layers: `layers` from the lowest to the uppermost, `config` as the
/// `config` object of the image configuration.
///
/// # Errors
///
/// When a file can not be written.
pub(crate) fn write(folder: &Path, layers: &[Layer], config: &Value) -> anyhow::Result<()> {
    let configuration = json!({
        "architecture": ARCHITECTURE,
        "os": "linux",
        "config": config,
        "rootfs": {
            "type": "layers",
            "diff_ids": layers.iter().map(|layer| &layer.diff_id).collect::<Vec<_>>(),
        },
    });
    let configuration = blob(folder, CONFIG_TYPE, &configuration)?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": configuration,
        "layers": layers
            .iter()
            .map(|layer| json!({
                "mediaType": LAYER_TYPE,
                "digest": layer.digest,
                "size": layer.size,
            }))
            .collect::<Vec<_>>(),
    });
    let mut manifest = blob(folder, MANIFEST_TYPE, &manifest)?;
    // Some tools find an image by its tag only.
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": TAG});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    document(&folder.join("index.json"), &index.to_string())?;
    document(
        &folder.join("oci-layout"),
        &json!({"imageLayoutVersion": "1.0.0"}).to_string(),
    )
}

/// Stores a document as a blob and returns its descriptor.
fn blob(folder: &Path, media_type: &str, value: &Value) -> anyhow::Result<Value> {
    let text = value.to_string();
    let digest = hex::encode(Sha256::digest(&text));
    document(&folder.join(BLOBS).join(&digest), &text)?;
    Ok(json!({
        "mediaType": media_type,
        "digest": format!("sha256:{digest}"),
        "size": text.len(),
    }))
}

fn document(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}
