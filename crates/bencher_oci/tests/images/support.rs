//! Image layouts made by hand, so that every byte of them can be wrong.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use bencher_oci::{Digest, Image, ImageOptions, ImageReference};
use serde_json::{Value, json};

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const GZIP_LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A layout folder under construction. It is removed with this value.
pub(crate) struct Layout {
    folder: tempfile::TempDir,
}

impl Layout {
    pub(crate) fn new() -> Self {
        let layout = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(layout.path("blobs/sha256")).unwrap();
        layout.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        layout
    }

    /// A layout with one image of one layer, and that layer's content.
    pub(crate) fn simple() -> (Self, Vec<u8>) {
        let layout = Self::new();
        let content = tar_of("hello", b"world");
        let image = layout.image(&[&content]);
        layout.index(&[image]);
        (layout, content)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("layout")
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(name)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Where a blob is.
    pub(crate) fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.path(format!("blobs/{}/{}", digest.algorithm(), digest.hex()))
    }

    /// Adds a blob and describes it.
    pub(crate) fn blob(&self, media_type: &str, bytes: &[u8]) -> Value {
        let digest = Digest::sha256(bytes);
        fs::write(self.blob_path(&digest), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})
    }

    pub(crate) fn json(&self, media_type: &str, value: &Value) -> Value {
        self.blob(media_type, value.to_string().as_bytes())
    }

    /// Adds an image of uncompressed layers for this host.
    pub(crate) fn image(&self, layers: &[&[u8]]) -> Value {
        let config = config(layers);
        let layers: Vec<_> = layers.iter().map(|layer| self.blob(LAYER, layer)).collect();
        self.image_of(&config, &layers)
    }

    pub(crate) fn image_of(&self, config: &Value, layers: &[Value]) -> Value {
        self.json(MANIFEST, &self.manifest(config, layers))
    }

    pub(crate) fn manifest(&self, config: &Value, layers: &[Value]) -> Value {
        let config = self.json(CONFIG, config);
        json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers})
    }

    /// Adds an index that is a blob.
    pub(crate) fn nested(&self, entries: &[Value]) -> Value {
        self.json(INDEX, &json!({"schemaVersion": 2, "manifests": entries}))
    }

    /// Writes `index.json`.
    pub(crate) fn index(&self, entries: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": entries});
        self.file("index.json", index.to_string().as_bytes());
    }

    pub(crate) fn open(&self) -> Result<Image, String> {
        self.open_as("")
    }

    /// Opens `oci:FOLDER` and what follows; in messages the folder is called IMG.
    pub(crate) fn open_as(&self, rest: &str) -> Result<Image, String> {
        let root = self.root();
        let root = root.to_str().unwrap();
        open(&format!("oci:{root}{rest}")).map_err(|message| message.replace(root, "IMG"))
    }

    /// The layout as a tar.
    pub(crate) fn archive(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        builder.append_dir_all(".", self.root()).unwrap();
        builder.into_inner().unwrap()
    }
}

/// A configuration for this host with the diff IDs of `layers`.
pub(crate) fn config(layers: &[&[u8]]) -> Value {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::sha256(layer)).collect();
    let host = bencher_oci::Platform::host();
    json!({
        "os": host.os(),
        "architecture": host.architecture(),
        "config": {"Cmd": ["/hello"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    })
}

/// The descriptor with a platform.
pub(crate) fn on(mut descriptor: Value, platform: &str) -> Value {
    let platform: bencher_oci::Platform = platform.parse().unwrap();
    descriptor["platform"] = json!({
        "os": platform.os(),
        "architecture": platform.architecture(),
        "variant": platform.variant(),
    });
    descriptor
}

/// The descriptor with a tag.
pub(crate) fn tagged(mut descriptor: Value, tag: &str) -> Value {
    descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": tag});
    descriptor
}

/// The digest in a descriptor.
pub(crate) fn digest(descriptor: &Value) -> Digest {
    descriptor["digest"].as_str().unwrap().parse().unwrap()
}

pub(crate) fn host() -> String {
    bencher_oci::Platform::host().to_string()
}

pub(crate) fn tar_of(name: &str, data: &[u8]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(data.len() as u64);
    header.set_mode(0o755);
    builder.append_data(&mut header, name, data).unwrap();
    builder.into_inner().unwrap()
}

pub(crate) fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// Parses and opens, with the message of whatever goes wrong.
pub(crate) fn open(text: &str) -> Result<Image, String> {
    let reference = ImageReference::parse(text.as_ref()).map_err(|error| error.to_string())?;
    let options = ImageOptions::new(std::env::temp_dir());
    Image::open(&reference, &options).map_err(|error| error.to_string())
}

/// What all layers of an image decompress to.
pub(crate) fn contents(image: &Image) -> Result<Vec<Vec<u8>>, String> {
    image
        .layers
        .iter()
        .map(|layer| {
            let mut bytes = Vec::new();
            let mut reader = layer.open().map_err(|error| error.to_string())?;
            reader
                .read_to_end(&mut bytes)
                .map_err(|error| error.to_string())?;
            Ok(bytes)
        })
        .collect()
}

/// The message without the name of the image, which begins it.
pub(crate) fn reason(outcome: Result<Image, String>) -> String {
    let message = outcome.map(drop).expect_err("it is refused");
    assert!(!message.contains(char::is_control), "{message:?}");
    let (_, reason) = message.split_once("IMG: ").expect("it names the image");
    reason.to_owned()
}
