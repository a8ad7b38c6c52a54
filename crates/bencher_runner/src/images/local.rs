//! Where a name leads on this host: to a path, into the store, or elsewhere.

use std::ffi::OsStr;
use std::fs;

use bencher_oci::registry::RegistryReference;
use bencher_oci::{
    Digest, Image, ImageOptions, ImageReference, Platform, ReferenceError, Store, StoreError,
};

use super::{OpenImageError, store_folder};
use crate::Directories;

/// So many digits in a row are taken for the beginning of a digest, as the store does.
const LEAST_DIGITS: usize = 8;

/// Where a name leads.
#[derive(Debug)]
pub(super) enum Found {
    /// All of the image is on this host.
    Here(Box<Image>),
    /// Nothing here has the name.
    Elsewhere(Elsewhere),
}

/// A name that nothing on this host has.
#[derive(Debug)]
pub(super) struct Elsewhere {
    name: String,
    unknown: ReferenceError,
}

impl Elsewhere {
    /// The image in its registry. A digest alone is in none.
    pub(super) fn in_registry(&self) -> Result<RegistryReference, OpenImageError> {
        if is_digest(&self.name) {
            return Err(self.digest_error());
        }
        Ok(self.name.parse()?)
    }

    /// What is wrong where no registry is to be asked.
    pub(super) fn into_error(self) -> OpenImageError {
        if is_digest(&self.name) {
            self.digest_error()
        } else {
            self.unknown.into()
        }
    }

    fn digest_error(&self) -> OpenImageError {
        let name = self.name.clone();
        OpenImageError::Digest { name }
    }
}

/// Finds out where `name` leads. `stored` looks into the store.
pub(super) fn find(
    name: &OsStr,
    platform: &Platform,
    directories: &Directories,
    stored: impl FnOnce(&str) -> Result<Option<Image>, OpenImageError>,
) -> Result<Found, OpenImageError> {
    let unknown = match ImageReference::parse(name) {
        Ok(reference) => {
            let image = Image::open(&reference, &options(directories, platform)?)?;
            return Ok(Found::Here(Box::new(image)));
        }
        // It could be the name of an image, and no file has it.
        Err(unknown @ ReferenceError::Registry { .. }) => unknown,
        Err(error) => return Err(error.into()),
    };
    let name = name.to_string_lossy();
    let name = name.strip_prefix("docker://").unwrap_or(&name);
    Ok(match stored(name)? {
        Some(image) => Found::Here(Box::new(image)),
        None => Found::Elsewhere(Elsewhere {
            name: name.to_owned(),
            unknown,
        }),
    })
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
    let stored = |name: &str| open_stored(name, directories, platform);
    match find(name, platform, directories, stored)? {
        Found::Here(image) => Ok(*image),
        Found::Elsewhere(elsewhere) => Err(elsewhere.into_error()),
    }
}

/// The image of the store that has the name, if there is one.
pub(super) fn open_stored(
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

/// Whether `name` is (the beginning of) a digest, which no registry knows without a repository.
fn is_digest(name: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    name.parse::<Digest>().is_ok() || (name.len() >= LEAST_DIGITS && name.bytes().all(is_hex))
}
