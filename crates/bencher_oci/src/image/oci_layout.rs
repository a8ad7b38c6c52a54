//! OCI image layouts, in a folder or in an archive (OCI image specification, `image-layout.md`).

use std::sync::Arc;

use serde::Deserialize;

use super::index_reader::{IndexReader, document};
use super::select::{self, Leaf};
use super::{Document, Image, ImageErrorReason, ImageOptions, check_config};
use crate::archive::Archive;
use crate::blob::BlobFile;
use crate::digest::Hasher;
use crate::document::json;
use crate::layout_dir::{LayoutDir, LayoutFileError};
use crate::reference::Selector;
use crate::{
    Descriptor, Digest, DocumentError, Excerpt, ImageIndex, Layer, Limits, MAX_DOCUMENT_BYTES,
    parse_config, parse_index, parse_manifest,
};

type Result<T> = std::result::Result<T, Box<ImageErrorReason>>;

/// Where a layout's files are.
#[derive(Debug)]
pub(super) enum Blobs {
    Folder(Arc<LayoutDir>),
    Archive(Arc<Archive>),
}

/// Opens the image that `selector` chooses.
pub(super) fn open(blobs: &Blobs, selector: &Selector, options: &ImageOptions) -> Result<Image> {
    blobs.check_version()?;
    let index = blobs.index()?;
    let mut reader = IndexReader::new(|entry, what| blobs.document(entry, what));
    let (leaf, name) = match selector {
        Selector::Manifest(digest) if !index.manifests.iter().any(|e| e.digest == *digest) => {
            reader.collect(&index.manifests, 0)?;
            (reader.leaf(digest)?, None)
        }
        _ => {
            let entries = select::entries(&index.manifests, selector)?;
            let name = entries.first().copied().and_then(select::name_of);
            reader.collect(entries, 0)?;
            reader.has_leaves()?;
            (select::best(reader.leaves(), &options.platform)?, name)
        }
    };
    read_image(blobs, leaf, name.map(str::to_owned), options)
}

fn read_image(
    blobs: &Blobs,
    leaf: &Leaf,
    name: Option<String>,
    options: &ImageOptions,
) -> Result<Image> {
    let what = || format!("manifest {}", leaf.manifest.digest);
    let manifest_bytes = blobs.document(&leaf.manifest, &what())?;
    let manifest = parse_manifest(&manifest_bytes).map_err(|error| document(what(), error))?;
    let what = || format!("configuration {}", manifest.config.digest);
    let config_bytes = blobs.document(&manifest.config, &what())?;
    let config = parse_config(&config_bytes).map_err(|error| document(what(), error))?;
    check_config(&config, manifest.layers.len(), &options.platform)?;
    let layers = manifest
        .layers
        .iter()
        .zip(&config.diff_ids)
        .map(|(layer, diff_id)| blobs.layer(layer, diff_id, options.limits))
        .collect::<Result<_>>()?;
    let platform = config.platform.as_ref().or(leaf.platform.as_ref());
    Ok(Image {
        manifest_digest: Some(leaf.manifest.digest.clone()),
        config_digest: manifest.config.digest.clone(),
        platform: platform.unwrap_or(&options.platform).clone(),
        config,
        layers,
        name,
        manifest: Some(Document::new(&leaf.manifest, manifest_bytes)),
        config_document: Document::new(&manifest.config, config_bytes),
        lease: None,
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", expecting = "a layout's version")]
struct LayoutVersion {
    image_layout_version: String,
}

impl Blobs {
    /// The marker file says which version the layout has. It is forgiven if it is missing: what
    /// follows is checked anyway.
    fn check_version(&self) -> Result<()> {
        const NAME: &str = "oci-layout";
        let blob = match self.root_file(NAME)? {
            Ok(blob) => blob,
            Err(LayoutFileError::Missing) => return Ok(()),
            Err(error) => {
                return Err(ImageErrorReason::File {
                    what: NAME.to_owned(),
                    error,
                }
                .into());
            }
        };
        let bytes = read_document(&blob, NAME)?;
        let LayoutVersion {
            image_layout_version: version,
        } = json::parse(&bytes).map_err(|error| document(NAME, error))?;
        match version.split_once('.') {
            Some(("1", _)) => Ok(()),
            _ => Err(ImageErrorReason::LayoutVersion(Excerpt::new(&version)).into()),
        }
    }

    fn index(&self) -> Result<ImageIndex> {
        const NAME: &str = "index.json";
        let blob = match (self.root_file(NAME)?, self) {
            (Ok(blob), _) => blob,
            (Err(LayoutFileError::Missing), Self::Folder(_)) => {
                return Err(ImageErrorReason::NotALayout.into());
            }
            (Err(LayoutFileError::Missing), Self::Archive(_)) => {
                return Err(ImageErrorReason::NotAnOciArchive.into());
            }
            (Err(error), _) => {
                return Err(ImageErrorReason::File {
                    what: NAME.to_owned(),
                    error,
                }
                .into());
            }
        };
        let bytes = read_document(&blob, NAME)?;
        Ok(parse_index(&bytes).map_err(|error| document(NAME, error))?)
    }

    /// A file that has no digest; two of them in one archive would make two images of it.
    fn root_file(
        &self,
        name: &'static str,
    ) -> Result<std::result::Result<BlobFile, LayoutFileError>> {
        if let Self::Archive(archive) = self
            && archive.is_repeated(name)
        {
            return Err(ImageErrorReason::Repeated(name).into());
        }
        Ok(self.file(name))
    }

    fn file(&self, path: &str) -> std::result::Result<BlobFile, LayoutFileError> {
        match self {
            Self::Folder(folder) => folder.file(path),
            Self::Archive(archive) => archive.file(path).ok_or(LayoutFileError::Missing),
        }
    }

    /// A JSON document's bytes, verified.
    fn document(&self, descriptor: &Descriptor, what: &str) -> Result<Vec<u8>> {
        let size = descriptor.size;
        if size > MAX_DOCUMENT_BYTES {
            return Err(document(what, DocumentError::TooLarge { size }).into());
        }
        let blob =
            self.file(&descriptor.digest.blob_path())
                .map_err(|error| ImageErrorReason::File {
                    what: what.to_owned(),
                    error,
                })?;
        if blob.len() != size {
            let (what, actual) = (what.to_owned(), blob.len());
            return Err(ImageErrorReason::Size {
                what,
                expected: size,
                actual,
            }
            .into());
        }
        let bytes = read_document(&blob, what)?;
        let mut hasher = Hasher::like(&descriptor.digest);
        hasher.update(&bytes);
        let actual = hasher.finish();
        if actual != descriptor.digest {
            return Err(ImageErrorReason::Digest {
                what: what.to_owned(),
                actual,
            }
            .into());
        }
        Ok(bytes)
    }

    /// A layer whose blob is there and has the right length.
    fn layer(&self, descriptor: &Descriptor, diff_id: &Digest, limits: Limits) -> Result<Layer> {
        let (digest, diff_id, size) = (descriptor.digest.clone(), diff_id.clone(), descriptor.size);
        let layer = match self {
            Self::Folder(folder) => {
                Layer::in_layout(Arc::clone(folder), digest, diff_id, size, limits)
            }
            Self::Archive(archive) => {
                let blob = archive.file(&digest.blob_path()).ok_or_else(|| {
                    let what = format!("layer {digest}");
                    ImageErrorReason::File {
                        what,
                        error: LayoutFileError::Missing,
                    }
                })?;
                Layer::in_archive(blob, digest, diff_id, size, limits)
            }
        };
        layer.blob().map_err(ImageErrorReason::Layer)?;
        Ok(layer.with_media_type(&descriptor.media_type))
    }
}

/// The bytes of a small file.
pub(super) fn read_document(blob: &BlobFile, what: &str) -> Result<Vec<u8>> {
    let size = blob.len();
    if size > MAX_DOCUMENT_BYTES {
        return Err(document(what, DocumentError::TooLarge { size }).into());
    }
    blob.read_all().map_err(|error| {
        let error = LayoutFileError::Io(error);
        ImageErrorReason::File {
            what: what.to_owned(),
            error,
        }
        .into()
    })
}
