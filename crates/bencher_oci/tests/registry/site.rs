//! Images made by hand, as a registry serves them.

use std::collections::HashMap;

use bencher_oci::{Digest, Platform};
use serde_json::{Value, json};

use crate::server::{Reply, Request};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// The repository that all tests use.
pub(crate) const REPOSITORY: &str = "owner/name";

/// What there is in the repository.
#[derive(Clone, Default)]
pub(crate) struct Site {
    /// Media type and content by what stands behind `/v2/owner/name/`.
    files: HashMap<String, (String, Vec<u8>)>,
    /// Whether a part of a blob can be had.
    pub(crate) has_ranges: bool,
}

impl Site {
    /// With one image of these layers, tagged `latest`.
    pub(crate) fn of(layers: &[Vec<u8>]) -> Self {
        let mut site = Self {
            has_ranges: true,
            ..Self::default()
        };
        let config = config(layers, &Platform::host());
        let layers: Vec<_> = layers.iter().map(|layer| site.blob(LAYER, layer)).collect();
        let manifest = site.image_manifest(&config, &layers);
        site.tag(MANIFEST, &manifest);
        site
    }

    /// Adds a blob and describes it.
    pub(crate) fn blob(&mut self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::sha256(bytes);
        let octets = "application/octet-stream".to_owned();
        self.files
            .insert(format!("blobs/{digest}"), (octets, bytes.to_vec()));
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    /// Adds a configuration and makes the manifest of it and of layers.
    pub(crate) fn image_manifest(&mut self, config: &Value, layers: &[Value]) -> Value {
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    }

    /// Adds a manifest under its digest, and describes it.
    pub(crate) fn manifest(&mut self, media_type: &str, manifest: &Value) -> Value {
        let bytes = manifest.to_string().into_bytes();
        let (digest, size) = (Digest::sha256(&bytes), bytes.len());
        let path = format!("manifests/{digest}");
        self.files.insert(path, (media_type.to_owned(), bytes));
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    /// Adds a manifest under its digest and as `latest`.
    pub(crate) fn tag(&mut self, media_type: &str, manifest: &Value) {
        self.manifest(media_type, manifest);
        let bytes = manifest.to_string().into_bytes();
        let file = (media_type.to_owned(), bytes);
        self.files.insert("manifests/latest".to_owned(), file);
    }

    /// The site's own answer.
    pub(crate) fn reply(&self, request: &Request) -> Reply {
        let prefix = format!("/v2/{REPOSITORY}/");
        let path = request.path.split('?').next().unwrap();
        if path == "/v2/" {
            return Reply::bytes(b"{}");
        }
        let file = path
            .strip_prefix(&prefix)
            .and_then(|path| self.files.get(path));
        let Some((media_type, bytes)) = file else {
            return Reply::status(404);
        };
        match request.from().filter(|_| self.has_ranges) {
            None => Reply::bytes(bytes).with("Content-Type", media_type),
            Some(from) if from >= bytes.len() => Reply::status(416),
            Some(from) => {
                let range = format!("bytes {from}-{}/{}", bytes.len() - 1, bytes.len());
                let mut reply = Reply::bytes(&bytes[from..]).with("Content-Range", &range);
                reply.status = 206;
                reply
            }
        }
    }
}

/// A configuration with the diff IDs of uncompressed layers.
pub(crate) fn config(layers: &[Vec<u8>], platform: &Platform) -> Value {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    json!({
        "os": platform.os(),
        "architecture": platform.architecture(),
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

/// Content that does not repeat itself.
pub(crate) fn layer(len: usize) -> Vec<u8> {
    let words = (0_u32..).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes());
    words.take(len).collect()
}

/// Whether a request is for a blob.
pub(crate) fn is_blob(request: &Request) -> bool {
    request.path.contains("/blobs/")
}

/// Whether a request is for the blob with this content.
pub(crate) fn is_blob_of(request: &Request, bytes: &[u8]) -> bool {
    request.path.ends_with(&Digest::sha256(bytes).to_string())
}
