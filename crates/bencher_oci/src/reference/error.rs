//! What can be wrong with a reference.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::{DigestError, Excerpt};

/// Why a text is not a reference to an image that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Nothing was given.
    #[error(
        "the image's name is empty: give an OCI layout folder, an image archive or `oci:DIR[:TAG]`"
    )]
    Empty,
    /// Nothing is at the path.
    #[error(
        "{path}: no such file or folder: give an OCI layout folder, an image archive (OCI or \
         `docker save`) or `oci:DIR[:TAG]`"
    )]
    Missing {
        /// The path.
        path: Excerpt,
    },
    /// The name of an image in a registry.
    #[error(
        "{name}: no such file or folder here, and no such image in the store: fetch it with \
         `runner pull {bare}`"
    )]
    Registry {
        /// The image's name.
        name: Excerpt,
        /// The same as part of a command.
        bare: String,
    },
    /// A place that skopeo knows and this crate does not.
    #[error(
        "{text}: images in `{transport}:` are not supported: make a local image with \
         `skopeo copy {transport}:… oci:DIR` and give `oci:DIR`"
    )]
    Transport {
        /// skopeo's name of the place.
        transport: &'static str,
        /// The whole reference.
        text: Excerpt,
    },
    /// A path with a colon and the same path's beginning both exist.
    #[error(
        "{}: this is both a path and a tag of {}: rename one of the two",
        show(.whole),
        show(.path)
    )]
    Ambiguous {
        /// The whole text as a path.
        whole: PathBuf,
        /// The part before the colon.
        path: PathBuf,
    },
    /// `oci:` before something that is not a folder.
    #[error("{path}: not a folder: an archive is given as `oci-archive:FILE`, or without a prefix", path = show(.path))]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// `oci-archive:` or `docker-archive:` before a folder.
    #[error("{path}: a folder, not an archive: a layout folder is given as `oci:DIR`, or without a prefix", path = show(.path))]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// What follows `@` is not a digest.
    #[error("{0}")]
    Digest(DigestError),
    /// A manifest digest of a `docker save` archive.
    #[error(
        "a `docker save` archive has no manifest digests: choose the image with `:NAME` or `:@N`"
    )]
    DigestOfDockerArchive,
    /// What follows `:@` is not a number.
    #[error("{0} is not a position in the archive: write `:@0` for the first image")]
    Position(Excerpt),
}

impl ReferenceError {
    pub(super) fn missing(path: &OsStr) -> Self {
        Self::Missing {
            path: Excerpt::new(&path.to_string_lossy()),
        }
    }

    pub(super) fn registry(name: &str) -> Self {
        let excerpt = Excerpt::new(name);
        let bare = excerpt.to_string().trim_matches('`').to_owned();
        Self::Registry {
            name: excerpt,
            bare,
        }
    }
}

fn show(path: &std::path::Path) -> Excerpt {
    Excerpt::new(&path.to_string_lossy())
}
