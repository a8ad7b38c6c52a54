//! Layers: verified streams of uncompressed tar bytes.

mod reader;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::Arc;

use reader::Checks;
pub use reader::LayerReader;

use crate::blob::BlobFile;
use crate::decompress::{
    Compression, DecompressError, gzip_size_hint, zstd_size_hint, zstd_window_limit,
};
use crate::layout_dir::{LayoutDir, LayoutFileError};
use crate::limits::{Limits, show_bytes};
use crate::pull::Arrival;
use crate::{Descriptor, Digest};

/// One layer of an image: where its bytes are and what they must be. Opening it costs a file
/// descriptor and some buffers, so layers can be read in parallel and more than once.
#[derive(Clone, Debug)]
pub struct Layer {
    media_type: Option<String>,
    digest: Digest,
    diff_id: Digest,
    size: u64,
    source: Source,
    limits: Limits,
}

/// The window that every zstd layer may have: what the format recommends that decoders support (RFC
/// 8878, section 3.1.1.1.2).
const LEAST_WINDOW: u32 = 8 << 20;

/// Where a layer's bytes are.
#[derive(Clone, Debug)]
enum Source {
    /// In a layout folder, opened when it is read: an image may have more layers than a process
    /// may have open files.
    Layout(Arc<LayoutDir>),
    /// In an archive.
    Archive(BlobFile),
    /// In a `docker save` archive, which knows the uncompressed content's digest only.
    DockerArchive(BlobFile),
    /// On its way from a registry; who fetches it verifies the blob.
    Arriving(Arc<Arrival>),
}

/// Why a layer cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("layer {layer}: {reason}")]
pub struct LayerError {
    layer: Digest,
    reason: LayerErrorReason,
}

/// What is wrong with a layer.
#[derive(Debug, thiserror::Error)]
pub enum LayerErrorReason {
    /// Its blob is gone from the layout, or never was a readable file.
    #[error("its blob {0}")]
    Blob(LayoutFileError),
    /// Its blob has another length than the image says.
    #[error("its blob has {actual} bytes, the image says {expected}: get the image again")]
    Size {
        /// What the image says.
        expected: u64,
        /// What the file has.
        actual: u64,
    },
    /// The system refused to read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// The blob's bytes hash to something else than its digest.
    #[error("its blob is damaged, its content is {actual}: get the image again")]
    BlobDigest {
        /// What the bytes hash to.
        actual: Digest,
    },
    /// The compressed data is not valid.
    #[error("{0}")]
    Decompress(DecompressError),
    /// The uncompressed bytes hash to something else than the image's configuration says.
    #[error(
        "its uncompressed content is {actual}, the image's configuration says {expected}: build \
         the image again"
    )]
    DiffId {
        /// What the configuration says.
        expected: Digest,
        /// What the content hashes to.
        actual: Digest,
    },
    /// It decompresses to more than [`Limits::layer_bytes`].
    #[error("it decompresses to more than {}, the limit", show_bytes(*limit))]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The reader was used again after an error.
    #[error("cannot be read any further after an error")]
    Failed,
}

impl LayerError {
    fn new(layer: &Digest, reason: LayerErrorReason) -> Self {
        Self {
            layer: layer.clone(),
            reason,
        }
    }

    /// The layer's digest.
    pub fn layer(&self) -> &Digest {
        &self.layer
    }

    /// What is wrong with it.
    pub fn reason(&self) -> &LayerErrorReason {
        &self.reason
    }
}

/// The error is inside and can be had back with [`io::Error::downcast`].
impl From<LayerError> for io::Error {
    fn from(error: LayerError) -> Self {
        let kind = match &error.reason {
            LayerErrorReason::Read(cause) | LayerErrorReason::Blob(LayoutFileError::Io(cause)) => {
                cause.kind()
            }
            LayerErrorReason::Blob(LayoutFileError::Missing) => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

impl Layer {
    /// The layer in `folder` that has this digest.
    pub(crate) fn in_layout(
        folder: Arc<LayoutDir>,
        digest: Digest,
        diff_id: Digest,
        size: u64,
        limits: Limits,
    ) -> Self {
        Self {
            media_type: None,
            digest,
            diff_id,
            size,
            source: Source::Layout(folder),
            limits,
        }
    }

    /// The layer whose blob is `blob`.
    pub(crate) fn in_archive(
        blob: BlobFile,
        digest: Digest,
        diff_id: Digest,
        size: u64,
        limits: Limits,
    ) -> Self {
        Self {
            media_type: None,
            digest,
            diff_id,
            size,
            source: Source::Archive(blob),
            limits,
        }
    }

    /// The layer `blob` of which some may have arrived.
    pub(crate) fn arriving(
        arrival: Arc<Arrival>,
        blob: &Descriptor,
        diff_id: Digest,
        limits: Limits,
    ) -> Self {
        Self {
            media_type: Some(blob.media_type.clone()),
            digest: blob.digest.clone(),
            diff_id,
            size: blob.size,
            source: Source::Arriving(arrival),
            limits,
        }
    }

    /// The layer of a `docker save` archive whose file is `blob`.
    pub(crate) fn in_docker_archive(blob: BlobFile, diff_id: Digest, limits: Limits) -> Self {
        Self {
            media_type: None,
            digest: diff_id.clone(),
            diff_id,
            size: blob.len(),
            source: Source::DockerArchive(blob),
            limits,
        }
    }

    /// The same layer with the media type that the image's manifest gives to it.
    pub(crate) fn with_media_type(self, media_type: &str) -> Self {
        Self {
            media_type: Some(media_type.to_owned()),
            ..self
        }
    }

    /// What the image's manifest says that the blob is; a `docker save` archive has no manifest.
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// The blob's digest; in a `docker save` archive, which knows no blobs, the diff ID.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }

    /// The digest of the uncompressed content.
    pub fn diff_id(&self) -> &Digest {
        &self.diff_id
    }

    /// The blob's length in bytes.
    pub fn compressed_size(&self) -> u64 {
        self.size
    }

    /// What the layer decompresses to, in bytes, as its blob says: exact for an uncompressed
    /// layer, else a guess that an image can make as wrong as it likes. Good for progress bars
    /// and for what to start first; never for how much to allocate.
    pub fn uncompressed_size_hint(&self) -> Option<u64> {
        if matches!(self.source, Source::Arriving(_)) {
            // Its end tells, and comes last.
            return None;
        }
        let blob = self.blob().ok()?;
        match compression(&blob)? {
            Compression::None => Some(blob.len()),
            Compression::Gzip => gzip_size_hint(&blob),
            Compression::Zstd => zstd_size_hint(&blob),
        }
    }

    /// What the layer decompresses to, in bytes, as the manifest tells: its blob's length if it calls
    /// the layer uncompressed. A `docker save` archive has no manifest, and such layers.
    pub fn announced_size(&self) -> Option<u64> {
        let is_plain = self
            .media_type()
            .is_none_or(|name| !["gzip", "zstd"].iter().any(|end| name.ends_with(end)));
        is_plain.then_some(self.size)
    }

    /// The most memory, in bytes, that decompressing the layer takes beside the buffers that every
    /// layer has: for zstd the window that its blob asks for, at least 8 MiB. 0 for a layer that
    /// can not be opened.
    pub fn window_bytes(&self) -> u64 {
        if matches!(self.source, Source::Arriving(_)) {
            return if self.is_called_zstd() {
                self.limits.zstd_window_bytes.into()
            } else {
                0
            };
        }
        self.blob().map_or(0, |blob| match compression(&blob) {
            Some(Compression::Zstd) => self.zstd_window(&blob).into(),
            _ => 0,
        })
    }

    fn zstd_window(&self, blob: &BlobFile) -> u32 {
        let limit = self.limits.zstd_window_bytes;
        match self.source {
            // To look at all of its frames is to wait for all of them.
            Source::Arriving(_) if self.is_called_zstd() => limit,
            // And nobody has reckoned with more for what is called something else.
            Source::Arriving(_) => limit.min(LEAST_WINDOW),
            _ => zstd_window_limit(blob, limit),
        }
    }

    fn is_called_zstd(&self) -> bool {
        self.media_type().is_some_and(|name| name.ends_with("zstd"))
    }

    /// Opens the layer for reading.
    ///
    /// # Errors
    /// The blob is missing, has another length, or does not begin as a layer does.
    pub fn open(&self) -> Result<LayerReader, LayerError> {
        self.open_with(true)
    }

    /// Opens the layer for a caller who hashes the content anyway: the reader verifies the blob,
    /// and the caller **must** compare the content's digest with [`Layer::diff_id`]. In a
    /// `docker save` archive, which knows no blobs, that is the only digest there is.
    ///
    /// # Errors
    /// As [`Layer::open`].
    pub fn open_without_diff_id(&self) -> Result<LayerReader, LayerError> {
        self.open_with(false)
    }

    fn open_with(&self, diff_id: bool) -> Result<LayerReader, LayerError> {
        let blob = !matches!(self.source, Source::DockerArchive(_) | Source::Arriving(_));
        let reader = LayerReader::new(self, self.blob()?, Checks { blob, diff_id })?;
        if let Source::Arriving(arrival) = &self.source
            && reader.compression() == Compression::Zstd
            && !self.is_called_zstd()
        {
            // It may want a larger window than it has got here.
            arrival.doubt();
        }
        Ok(reader)
    }

    /// Nobody is to wait any longer for what has not come of the layer.
    pub fn give_up(&self) {
        if let Source::Arriving(arrival) = &self.source {
            arrival.give_up();
        }
    }

    /// The blob, of the right length.
    pub(crate) fn blob(&self) -> Result<BlobFile, LayerError> {
        let blob = match &self.source {
            Source::Archive(blob) | Source::DockerArchive(blob) => blob.clone(),
            Source::Arriving(arrival) => BlobFile::arriving(arrival, self.size)
                .map_err(|error| self.error(LayerErrorReason::Read(error)))?,
            Source::Layout(folder) => folder
                .file(&self.digest.blob_path())
                .map_err(|error| self.error(LayerErrorReason::Blob(error)))?,
        };
        if blob.len() != self.size {
            let (expected, actual) = (self.size, blob.len());
            return Err(self.error(LayerErrorReason::Size { expected, actual }));
        }
        Ok(blob)
    }

    pub(crate) fn error(&self, reason: LayerErrorReason) -> LayerError {
        LayerError::new(&self.digest, reason)
    }
}

/// How a blob is compressed, if its beginning can be read and is of a kind that images use.
fn compression(blob: &BlobFile) -> Option<Compression> {
    let mut beginning = [0; 10];
    let beginning = &mut beginning[..usize::try_from(blob.len().min(10)).ok()?];
    blob.read_exact_at(beginning, 0).ok()?;
    Compression::of(beginning).ok()
}
