//! What can be wrong with an image.

use std::fmt;
use std::io;

use crate::archive::OpenArchiveError;
use crate::layout_dir::LayoutFileError;
use crate::{Digest, DocumentError, Excerpt, LayerError, Listing, Platform};

/// Why an image cannot be opened: one line, complete in itself, that names the image.
#[derive(Debug)]
pub struct ImageError {
    image: String,
    reason: Box<ImageErrorReason>,
}

impl ImageError {
    /// `image` is shown as it is, and must be fit for a terminal.
    pub(super) fn new(image: impl fmt::Display, reason: Box<ImageErrorReason>) -> Self {
        Self {
            image: image.to_string(),
            reason,
        }
    }

    /// What is wrong.
    pub fn reason(&self) -> &ImageErrorReason {
        &self.reason
    }
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "image {}: {}", self.image, self.reason)
    }
}

impl std::error::Error for ImageError {}

/// What is wrong with an image.
#[derive(Debug, thiserror::Error)]
pub enum ImageErrorReason {
    /// The folder cannot be opened.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// The archive cannot be opened.
    #[error("{0}")]
    Archive(OpenArchiveError),
    /// The folder has no `index.json`.
    #[error(
        "a folder without `index.json` is not an OCI image layout: make one with \
         `skopeo copy docker://NAME oci:DIR` or `buildah push NAME oci:DIR`"
    )]
    NotALayout,
    /// `oci-archive:` of something else.
    #[error(
        "an archive without `index.json` is not an OCI image layout: give a `docker save` archive \
         as `docker-archive:FILE`"
    )]
    NotAnOciArchive,
    /// `docker-archive:` of something else.
    #[error(
        "an archive without `manifest.json` does not come from `docker save`: give an OCI archive \
         as `oci-archive:FILE`"
    )]
    NotADockerArchive,
    /// A tar of neither kind.
    #[error(
        "neither an OCI archive nor a `docker save` archive, it holds no `index.json` and no \
         `manifest.json`: a file system tar, as from `docker export`, is not an image"
    )]
    NotAnImageArchive,
    /// An archive with two entries of a name that decides what the image is.
    #[error("the archive has two entries named `{0}`: make it again")]
    Repeated(&'static str),
    /// A version of the layout that is not known.
    #[error("an OCI image layout of version {0}, only version 1 is supported")]
    LayoutVersion(Excerpt),
    /// A file that cannot be read.
    #[error("{what} {error}")]
    File {
        /// What the file is.
        what: String,
        /// Why it cannot be read.
        error: LayoutFileError,
    },
    /// A blob of another length than its descriptor says.
    #[error("{what} has {actual} bytes, expected {expected}: get the image again")]
    Size {
        /// What the blob is.
        what: String,
        /// What the descriptor says.
        expected: u64,
        /// What the file has.
        actual: u64,
    },
    /// A blob that hashes to something else than its digest.
    #[error("{what} is damaged, its content is {actual}: get the image again")]
    Digest {
        /// What the blob is.
        what: String,
        /// What its content hashes to.
        actual: Digest,
    },
    /// A JSON document is refused.
    #[error("{what} {error}")]
    Document {
        /// Which one.
        what: String,
        /// Why.
        error: DocumentError,
    },
    /// An index lists nothing that could be an image.
    #[error("holds no image manifest, only: {found}")]
    NoManifest {
        /// The media types of what it lists.
        found: Listing,
    },
    /// Several images, and none was chosen.
    #[error("holds several images, choose one as PATH:TAG or PATH@DIGEST: {names}")]
    Several {
        /// Their names; where they have none, their digests.
        names: Listing,
    },
    /// Several images in a `docker save` archive, and none was chosen.
    #[error(
        "holds {count} images, choose one as docker-archive:FILE:NAME or docker-archive:FILE:@N: {names}"
    )]
    SeveralSaved {
        /// How many images there are.
        count: usize,
        /// Their names.
        names: Listing,
    },
    /// No image with that tag or name.
    #[error("holds no image {tag}, it has: {names}")]
    NoSuchTag {
        /// What was asked for.
        tag: Excerpt,
        /// The names that there are.
        names: Listing,
    },
    /// No manifest with that digest.
    #[error("holds no manifest {digest}, it has: {digests}")]
    NoSuchManifest {
        /// What was asked for.
        digest: Digest,
        /// Those that there are.
        digests: Listing,
    },
    /// Nothing at that position of a `docker save` archive.
    #[error("holds {count} images, there is none at position {position}, counted from 0")]
    NoSuchPosition {
        /// What was asked for.
        position: usize,
        /// How many images there are.
        count: usize,
    },
    /// Indexes within indexes without end.
    #[error("its indexes are nested more than {limit} levels deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// Too many indexes within indexes.
    #[error("it has more than {limit} nested indexes")]
    TooManyIndexes {
        /// The limit.
        limit: usize,
    },
    /// Nothing that runs on the wanted platform.
    #[error("has nothing for {wanted}, only for: {available}")]
    Platform {
        /// What was asked for.
        wanted: Platform,
        /// What there is.
        available: Listing,
    },
    /// Layers and diff IDs do not correspond.
    #[error(
        "its manifest has {layers} layers, its configuration has {diff_ids}: build the image again"
    )]
    LayerCount {
        /// How many layers the manifest has.
        layers: usize,
        /// How many diff IDs the configuration has.
        diff_ids: usize,
    },
    /// A layer's blob is missing or has another length.
    #[error("{0}")]
    Layer(LayerError),
    /// A `docker save` archive without a file that its `manifest.json` names.
    #[error("the archive has no file {0}, which its `manifest.json` names: save the image again")]
    NoSuchFile(Excerpt),
}

impl ImageErrorReason {
    pub(super) fn platform<'a>(
        wanted: &Platform,
        available: impl IntoIterator<Item = &'a Platform>,
    ) -> Self {
        let mut names: Vec<_> = available.into_iter().map(ToString::to_string).collect();
        names.sort();
        names.dedup();
        Self::Platform {
            wanted: wanted.clone(),
            available: Listing::new(names),
        }
    }
}
