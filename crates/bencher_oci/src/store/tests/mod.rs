//! The store, on a real file system.

mod images;
mod ingest;
mod removing;
mod verify;

use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::document::{OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use crate::{Cancellation, Image, ImageOptions, ImageReference, Platform};

/// A store in a folder of its own.
struct Fixture {
    folder: TempDir,
    store: Store,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("made/when/needed")).unwrap();
        Self { folder, store }
    }

    /// Adds an image of these layers.
    fn add(&self, name: &str, layers: &[&str]) -> Digest {
        let layout = layout(layers);
        let lease = self.store.copy_image(&open(&layout), name, &never());
        drop(lease.unwrap());
        self.store.find(name).unwrap().digest
    }

    fn options(&self) -> ImageOptions {
        ImageOptions::new(self.folder.path().to_owned())
    }

    /// The digests of whole blobs.
    fn blobs(&self) -> Vec<Digest> {
        let blobs = self.store.blobs().unwrap();
        blobs.into_iter().map(|blob| blob.digest).collect()
    }

    /// The names of all images, and `-` for those without.
    fn names(&self) -> Vec<String> {
        let images = self.store.images().unwrap();
        let mut names: Vec<_> = images
            .into_iter()
            .map(|image| {
                if image.names.is_empty() {
                    "-".to_owned()
                } else {
                    image.names.join(" ")
                }
            })
            .collect();
        names.sort();
        names
    }

    fn damages(&self) -> Vec<Damage> {
        self.store.verify(&|_| true).unwrap()
    }
}

fn never() -> Cancellation {
    Cancellation::default()
}

/// A layout folder with one image, whose layers are these texts: nobody unpacks them.
fn layout(layers: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::create_dir_all(root.join("blobs/sha256")).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = Digest::sha256(bytes);
        fs::write(root.join(digest.blob_path()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    };
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|layer| Digest::sha256(layer.as_bytes()))
        .collect();
    let host = Platform::host();
    let config = json!({
        "os": host.os(),
        "architecture": host.architecture(),
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    let config = blob(OCI_CONFIG, config.to_string().as_bytes());
    let layers: Vec<_> = layers
        .iter()
        .map(|layer| blob(OCI_LAYER, layer.as_bytes()))
        .collect();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": config,
        "layers": layers,
    });
    let manifest = blob(OCI_MANIFEST, manifest.to_string().as_bytes());
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    fs::write(root.join("index.json"), index.to_string()).unwrap();
    folder
}

fn open(layout: &TempDir) -> Image {
    let reference = ImageReference::parse(layout.path().as_os_str()).unwrap();
    Image::open(&reference, &ImageOptions::new(std::env::temp_dir())).unwrap()
}
