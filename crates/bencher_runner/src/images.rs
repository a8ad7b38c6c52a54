//! Images as users name them: local ones, and those in the store.

mod choice;
mod news;
mod obtain;
mod pull;
mod report;
mod save;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bencher_oci::registry::RegistryReferenceError;
use bencher_oci::{
    Image, ImageError, ImageOptions, ImageReference, Platform, PullError, ReferenceError, Store,
    StoreError,
};
use thiserror::Error;

pub use choice::{ImageChoice, PullPolicy};
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

/// Opens the image that `name` means: what is there in the file system, else what is in the store.
/// An image of the store stays there for as long as the result, or a copy of it, lives.
///
/// # Errors
///
/// [`OpenImageError`]: nothing has the name, or what has it can not be used.
pub fn open_image(
    name: &OsStr,
    platform: &Platform,
    directories: &Directories,
) -> Result<Image, OpenImageError> {
    match ImageReference::parse(name) {
        Ok(reference) => Ok(Image::open(&reference, &options(directories, platform)?)?),
        // It could be the name of an image, and no file has it.
        Err(unknown @ ReferenceError::Registry { .. }) => {
            let name = name.to_string_lossy();
            let name = name.strip_prefix("docker://").unwrap_or(&name);
            open_stored(name, directories, platform)?.ok_or_else(|| unknown.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The image of the store that has the name, if there is one.
fn open_stored(
    name: &str,
    directories: &Directories,
    platform: &Platform,
) -> Result<Option<Image>, OpenImageError> {
    let Some(store) = Store::open_existing(&store_folder(&directories.cache))? else {
        return Ok(None);
    };
    match store.open_image(name, &options(directories, platform)?) {
        Ok(image) => Ok(Some(image)),
        Err(StoreError::Unknown { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Compressed archives are unpacked in the cache.
fn options(directories: &Directories, platform: &Platform) -> Result<ImageOptions, OpenImageError> {
    let scratch = directories.cache.join("tmp");
    fs::create_dir_all(&scratch).map_err(|source| OpenImageError::Cache {
        path: scratch.clone(),
        source,
    })?;
    Ok(ImageOptions {
        platform: platform.clone(),
        ..ImageOptions::new(scratch)
    })
}

/// Copies the image that `name` means, as [`open_image`] understands it, into the store under the
/// name `store_name`. Ends when `cancel` becomes true.
///
/// # Errors
///
/// [`OpenImageError`]; blobs that were copied until then stay, without an image that has them.
pub fn add_image(
    name: &OsStr,
    store_name: &str,
    directories: &Directories,
    cancel: &AtomicBool,
) -> Result<(), OpenImageError> {
    let image = open_image(name, &Platform::host(), directories)?;
    let store = Store::open(&store_folder(&directories.cache))?;
    store.copy_image(&image, store_name, cancel)?;
    Ok(())
}
