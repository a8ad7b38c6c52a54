//! Images as users name them: local ones, and those in the store.

mod choice;
mod local;
mod news;
mod obtain;
mod pull;
mod report;
mod save;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use bencher_oci::registry::RegistryReferenceError;
use bencher_oci::{
    Cancellation, ImageError, Platform, PullError, ReferenceError, Store, StoreError,
};
use thiserror::Error;

pub use choice::{ImageChoice, PullPolicy};
pub use local::open_image;
pub(crate) use obtain::{Obtained, obtain};
pub use pull::pull_image;
pub use report::{BlobReport, ConfigReport, ImageReport, LayerReport};
pub use save::{SaveImageError, save_image};

use crate::Directories;

/// Why an image can not be opened.
#[derive(Debug, Error)]
pub enum OpenImageError {
    /// Its name can not be understood, or nothing has it.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// It is no name that a registry could know.
    #[error(transparent)]
    Name(#[from] RegistryReferenceError),
    /// It can not be used.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The store can not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A digest that the store does not have.
    #[error(
        "no image of the store has the digest {name}: pull it by its name (NAME@sha256:…), or name \
         it as in docker.io/library/{name} if that is its name"
    )]
    Digest {
        /// The digest, or its beginning.
        name: String,
    },
    /// It does not come from its registry.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// It was pulled, and removed at once.
    #[error("the image {digest} was removed as soon as it had come: pull it again")]
    Gone {
        /// What identifies it.
        digest: String,
    },
    /// The cache can not be written.
    #[error(
        "failed to write {}: {source}; make it writable or choose another cache with --cache-dir",
        path.display()
    )]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where the store is in the folder `cache`.
pub(crate) fn store_folder(cache: &Path) -> PathBuf {
    cache.join("store")
}

/// Copies the image that `name` means, as [`open_image`] understands it, into the store under the
/// name `store_name`. Ends when `cancel` says so.
///
/// # Errors
///
/// [`OpenImageError`]; blobs that were copied until then stay, without an image that has them.
pub fn add_image(
    name: &OsStr,
    store_name: &str,
    directories: &Directories,
    cancel: &Cancellation,
) -> Result<(), OpenImageError> {
    let image = open_image(name, &Platform::host(), directories)?;
    let store = Store::open(&store_folder(&directories.cache))?;
    store.copy_image(&image, store_name, cancel)?;
    Ok(())
}
