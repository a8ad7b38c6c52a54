//! Writing an image as a tar of an OCI layout.
//!
//! The same image gives the same bytes, wherever it came from and whoever writes it: entries are
//! sorted, and have no times and no owners. Documents are written as they were found.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::blob::BlobStream;
use crate::digest::Hasher;
use crate::document::OCI_INDEX;
use crate::image::Parts;
use crate::store::LAYOUT_VERSION;
use crate::{Digest, Document, Image, Layer, LayerError, LayerErrorReason};

/// Why an image is not saved.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// A layer can not be read, or is damaged.
    #[error("{0}")]
    Layer(Box<LayerError>),
    /// The archive can not be written.
    #[error("{0}")]
    Write(io::Error),
    /// It was told to end.
    #[error("cancelled")]
    Cancelled,
}

impl From<LayerError> for SaveError {
    fn from(error: LayerError) -> Self {
        Self::Layer(Box::new(error))
    }
}

/// A blob to write.
enum Blob<'a> {
    Document(&'a Document),
    Layer(&'a Layer),
}

/// Writes `image` to `out`: its manifest for one platform, its configuration and its layers, whose
/// digests are verified meanwhile. The image's name is its name in the archive. Ends when `cancel`
/// becomes true.
///
/// # Errors
/// A [`SaveError`]; what was written then is of no use.
pub fn save(image: &Image, out: impl Write, cancel: &AtomicBool) -> Result<(), SaveError> {
    let parts = Parts::of(image)?;
    let mut blobs: BTreeMap<&Digest, Blob<'_>> = BTreeMap::new();
    for document in [&parts.manifest, &parts.config] {
        blobs.insert(&document.digest, Blob::Document(document));
    }
    for part in &parts.layers {
        blobs.insert(&part.digest, Blob::Layer(&part.layer));
    }
    let mut tar = tar::Builder::new(out);
    folder(&mut tar, "blobs/")?;
    for algorithm in ["sha256", "sha512"] {
        let mut of_algorithm = blobs
            .iter()
            .filter(|(digest, _)| digest.algorithm() == algorithm)
            .peekable();
        if of_algorithm.peek().is_some() {
            folder(&mut tar, &format!("blobs/{algorithm}/"))?;
        }
        for (digest, blob) in of_algorithm {
            match blob {
                Blob::Document(document) => file(&mut tar, &digest.blob_path(), &document.bytes)?,
                Blob::Layer(layer) => copy(&mut tar, digest, layer, cancel)?,
            }
        }
    }
    let index = index(&parts.manifest, image.name.as_deref());
    file(&mut tar, "index.json", index.as_bytes())?;
    file(&mut tar, "oci-layout", LAYOUT_VERSION.as_bytes())?;
    tar.into_inner()
        .and_then(|mut out| out.flush())
        .map_err(SaveError::Write)
}

fn index(manifest: &Document, name: Option<&str>) -> String {
    let mut descriptor = json!({
        "mediaType": manifest.media_type,
        "digest": manifest.digest,
        "size": manifest.bytes.len(),
    });
    if let Some(name) = name {
        descriptor["annotations"] = json!({"org.opencontainers.image.ref.name": name});
    }
    json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]}).to_string()
}

fn header(mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn folder<W: Write>(tar: &mut tar::Builder<W>, path: &str) -> Result<(), SaveError> {
    let mut header = header(0o755, 0);
    header.set_entry_type(tar::EntryType::Directory);
    tar.append_data(&mut header, path, io::empty())
        .map_err(SaveError::Write)
}

fn file<W: Write>(tar: &mut tar::Builder<W>, path: &str, bytes: &[u8]) -> Result<(), SaveError> {
    let mut header = header(0o644, bytes.len() as u64);
    tar.append_data(&mut header, path, bytes)
        .map_err(SaveError::Write)
}

/// Copies a layer's blob, and verifies it.
fn copy<W: Write>(
    tar: &mut tar::Builder<W>,
    digest: &Digest,
    layer: &Layer,
    cancel: &AtomicBool,
) -> Result<(), SaveError> {
    let blob = layer.blob()?;
    let mut header = header(0o644, blob.len());
    let mut source = Source {
        stream: BlobStream::new(blob, Some(Hasher::like(digest))),
        cancel,
        failure: None,
    };
    let failed = |error| SaveError::from(layer.error(LayerErrorReason::Read(error)));
    let copied = tar.append_data(&mut header, digest.blob_path(), &mut source);
    if let Some(error) = source.failure.take() {
        return Err(failed(error));
    }
    if cancel.load(Ordering::Relaxed) {
        return Err(SaveError::Cancelled);
    }
    copied.map_err(SaveError::Write)?;
    match source.stream.finish().map_err(failed)? {
        Some(actual) if actual != *digest => {
            let damage = LayerErrorReason::BlobDigest { actual };
            Err(layer.error(damage).into())
        }
        _ => Ok(()),
    }
}

/// A blob's bytes for the archive's writer, whose errors are the archive's and not the blob's.
struct Source<'a> {
    stream: BlobStream,
    cancel: &'a AtomicBool,
    failure: Option<io::Error>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Other.into());
        }
        self.stream.read(buffer).map_err(|error| {
            let kind = error.kind();
            self.failure = Some(error);
            kind.into()
        })
    }
}
