//! What can be wrong with the store.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Digest, Excerpt, ImageError, LayerError, Listing};

/// Why the store could not do what it was asked for: one line, complete in itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder can not be used.
    #[error("failed to use the image store {}: {cause}; choose a folder that you can write to", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A file in it can not be used.
    #[error("failed to {action} {}: {cause}", .path.display())]
    File {
        /// What was to be done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The disk is full.
    #[error(
        "no space is left in {} for blob {digest}: free some and try again, what has come is kept",
        .path.display()
    )]
    NoSpace {
        /// The store's folder.
        path: PathBuf,
        /// The blob.
        digest: Digest,
    },
    /// More bytes than the blob has.
    #[error(
        "blob {digest} has more than the {size} bytes that the image says: get the image again"
    )]
    TooLong {
        /// The blob.
        digest: Digest,
        /// Its length as it was announced.
        size: u64,
    },
    /// Fewer bytes than the blob has.
    #[error("blob {digest} ended after {actual} of {size} bytes: try again, what has come is kept")]
    TooShort {
        /// The blob.
        digest: Digest,
        /// Its length as it was announced.
        size: u64,
        /// What has come.
        actual: u64,
    },
    /// The store has the blob, with another length than the image says.
    #[error(
        "blob {digest} has {actual} bytes in the store, the image says {size}: if \
         `runner cache verify` finds no damage, the image is wrong"
    )]
    Size {
        /// The blob.
        digest: Digest,
        /// What the image says.
        size: u64,
        /// What the store has.
        actual: u64,
    },
    /// The bytes are not the blob's.
    #[error("what came for blob {expected} is {actual}, and was thrown away: get the image again")]
    Digest {
        /// What was asked for.
        expected: Digest,
        /// What the bytes hash to.
        actual: Digest,
    },
    /// The index is not one.
    #[error("{} {reason}: remove it, and get the images again", .path.display())]
    Index {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The index has no room.
    #[error(
        "the store has {0} names of images, which is the limit: remove some with `runner cache rm`"
    )]
    TooMany(usize),
    /// A name that can not be given to an image.
    #[error("{0} is no name for an image: give one as in docker.io/library/debian:12")]
    Name(Excerpt),
    /// What is to be given a name is not an image.
    #[error("{media_type} is no manifest and no index: only images can be added to the store")]
    NotAnImage {
        /// The media type.
        media_type: Excerpt,
    },
    /// A blob of what is to be given a name is not there.
    #[error("the image can not be added to the store without its blob {0}: get the image again")]
    Incomplete(Digest),
    /// There is no such image.
    #[error("the store has no image {text}, it has: {names}")]
    Unknown {
        /// What was asked for.
        text: Excerpt,
        /// What there is.
        names: Listing,
    },
    /// A short digest that several images have.
    #[error("{text} is the beginning of several digests, give more of it: {digests}")]
    Ambiguous {
        /// What was asked for.
        text: Excerpt,
        /// What there is.
        digests: Listing,
    },
    /// The image can not be used.
    #[error("{0}")]
    Image(ImageError),
    /// A layer can not be read.
    #[error("{0}")]
    Layer(Box<LayerError>),
    /// It was told to end.
    #[error("cancelled")]
    Cancelled,
}

impl From<LayerError> for StoreError {
    fn from(error: LayerError) -> Self {
        Self::Layer(Box::new(error))
    }
}

/// The error is inside and can be had back with [`io::Error::downcast`].
impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        let kind = match &error {
            StoreError::Folder { cause, .. } | StoreError::File { cause, .. } => cause.kind(),
            StoreError::NoSpace { .. } => io::ErrorKind::StorageFull,
            StoreError::Cancelled => io::ErrorKind::Interrupted,
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

pub(super) fn file_error(action: &'static str, path: &Path, cause: io::Error) -> StoreError {
    StoreError::File {
        action,
        path: path.to_owned(),
        cause,
    }
}

/// `None` where there is nothing.
pub(super) fn or_missing<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes a file; one that is gone already is as good.
pub(super) fn remove_file(path: &Path) -> Result<(), StoreError> {
    or_missing(std::fs::remove_file(path))
        .map(|_| ())
        .map_err(|cause| file_error("remove", path, cause))
}
