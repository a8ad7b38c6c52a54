//! Opening an image: from a reference to a checked configuration and a list of layers.
//!
//! ```text
//! reference ─► folder or archive ─► index ─► manifest of the platform ─► config, layers
//! ```
//!
//! Everything but the layers' content is verified when the image is opened; the layers are
//! verified while they are read.

mod docker_archive;
mod document;
mod error;
pub(crate) mod index_reader;
mod name;
mod oci_layout;
mod parts;
pub(crate) mod select;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use document::Document;
pub use error::{ImageError, ImageErrorReason};
pub(crate) use name::is_same as is_same_name;
pub(crate) use parts::Parts;

use crate::archive::Archive;
use crate::layout_dir::LayoutDir;
use crate::reference::{ImageSource, Selector};
use crate::store::ImageLease;
use crate::{Digest, ImageConfig, ImageReference, Layer, Limits, Platform};
use oci_layout::Blobs;

/// An image that can be run: its parts are there and fit together.
#[derive(Clone, Debug)]
pub struct Image {
    /// The manifest's digest; a `docker save` archive has no manifest.
    pub manifest_digest: Option<Digest>,
    /// The configuration's digest, which Docker calls the image's ID.
    pub config_digest: Digest,
    /// What to run and how.
    pub config: ImageConfig,
    /// The layers, the lowest first, one for each of the configuration's diff IDs.
    pub layers: Vec<Layer>,
    /// What the image runs on: what its configuration says, else its index, else what was asked
    /// for.
    pub platform: Platform,
    /// The name or the tag that the layout or the archive gives to the image.
    pub name: Option<String>,
    /// The manifest as it was found; a `docker save` archive has none.
    pub manifest: Option<Document>,
    /// The configuration as it was found.
    pub config_document: Document,
    /// Keeps the image in the store for as long as anything of it is used.
    pub(crate) lease: Option<Arc<ImageLease>>,
}

/// How to open images.
#[derive(Clone, Debug)]
pub struct ImageOptions {
    /// What the image must run on.
    pub platform: Platform,
    /// Where a compressed archive is unpacked, into a file without a name.
    pub scratch_dir: PathBuf,
    /// What an image may cost.
    pub limits: Limits,
}

impl ImageOptions {
    /// Options for images of this host, with the default limits.
    pub fn new(scratch_dir: PathBuf) -> Self {
        Self {
            platform: Platform::host(),
            scratch_dir,
            limits: Limits::default(),
        }
    }
}

impl Image {
    /// Opens the image that `reference` names.
    ///
    /// # Errors
    /// An [`ImageError`]: one line that names the image and what is wrong with it.
    pub fn open(reference: &ImageReference, options: &ImageOptions) -> Result<Self, ImageError> {
        open(reference, options).map_err(|reason| ImageError::new(reference, reason))
    }

    /// Opens the image of the manifest or index `digest` in the layout folder `path`, which the
    /// user knows as `name`.
    pub(crate) fn open_in_layout(
        path: &Path,
        digest: &Digest,
        name: &str,
        options: &ImageOptions,
    ) -> Result<Self, ImageError> {
        let open = || {
            let folder = LayoutDir::open(path).map_err(ImageErrorReason::Open)?;
            let selector = Selector::Manifest(digest.clone());
            oci_layout::open(&Blobs::Folder(Arc::new(folder)), &selector, options)
        };
        open().map_err(|reason| ImageError::new(name, reason))
    }
}

fn open(
    reference: &ImageReference,
    options: &ImageOptions,
) -> Result<Image, Box<ImageErrorReason>> {
    let selector = reference.selector();
    let open_archive = |path| {
        Archive::open(path, &options.scratch_dir, &options.limits)
            .map(Arc::new)
            .map_err(ImageErrorReason::Archive)
    };
    match reference.source() {
        ImageSource::OciLayout(path) => {
            let folder = LayoutDir::open(path).map_err(ImageErrorReason::Open)?;
            oci_layout::open(&Blobs::Folder(Arc::new(folder)), selector, options)
        }
        ImageSource::OciArchive(path) => {
            oci_layout::open(&Blobs::Archive(open_archive(path)?), selector, options)
        }
        ImageSource::DockerArchive(path) => {
            docker_archive::open(&*open_archive(path)?, selector, options)
        }
        ImageSource::Archive(path) => {
            let archive = open_archive(path)?;
            if archive.file("index.json").is_some() {
                // Current `docker save` tars are both; the layout says more.
                oci_layout::open(&Blobs::Archive(archive), selector, options)
            } else if archive.file("manifest.json").is_some() {
                docker_archive::open(&archive, selector, options)
            } else {
                Err(ImageErrorReason::NotAnImageArchive.into())
            }
        }
    }
}

/// The checks that every image has to pass, wherever it comes from.
pub(crate) fn check_config(
    config: &ImageConfig,
    layers: usize,
    wanted: &Platform,
) -> Result<(), Box<ImageErrorReason>> {
    let diff_ids = config.diff_ids.len();
    if layers != diff_ids {
        return Err(ImageErrorReason::LayerCount { layers, diff_ids }.into());
    }
    match &config.platform {
        Some(platform) if wanted.suitability(platform).is_none() => {
            Err(ImageErrorReason::platform(wanted, [platform]).into())
        }
        _ => Ok(()),
    }
}
