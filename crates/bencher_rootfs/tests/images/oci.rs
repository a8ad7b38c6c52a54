//! OCI image layouts, just good enough for umoci.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::layers::MemoryLayer;

/// Writes an image with these layers, uncompressed, tagged `latest`.
pub(crate) fn write(directory: &Path, layers: &[MemoryLayer]) {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    fs::write(
        directory.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )
    .unwrap();
    let blob = |media_type: &str, bytes: &[u8]| {
        let digest = hex(Sha256::digest(bytes).into());
        fs::write(blobs.join(&digest), bytes).unwrap();
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.{media_type}","digest":"sha256:{digest}","size":{}}}"#,
            bytes.len()
        )
    };
    let descriptors: Vec<_> = layers
        .iter()
        .map(|layer| blob("layer.v1.tar", &layer.bytes))
        .collect();
    let diff_ids: Vec<_> = layers
        .iter()
        .map(|layer| format!("\"sha256:{}\"", hex(layer.diff_id)))
        .collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{}},"rootfs":{{"type":"layers","diff_ids":[{}]}},"history":[]}}"#,
        diff_ids.join(",")
    );
    let config = blob("config.v1+json", config.as_bytes());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{config},"layers":[{}]}}"#,
        descriptors.join(",")
    );
    let manifest = blob("manifest.v1+json", manifest.as_bytes());
    let tagged = manifest.replacen(
        '{',
        r#"{"annotations":{"org.opencontainers.image.ref.name":"latest"},"#,
        1,
    );
    let index = format!(r#"{{"schemaVersion":2,"manifests":[{tagged}]}}"#);
    fs::write(directory.join("index.json"), index).unwrap();
}

fn hex(digest: [u8; 32]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
