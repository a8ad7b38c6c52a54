//! Saving an image as a file.

use std::ffi::OsStr;
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use bencher_oci::{Platform, SaveError, save};
use thiserror::Error;

use super::{OpenImageError, open_image};
use crate::Directories;
use crate::destination::beside;

/// Why an image is not saved.
#[derive(Debug, Error)]
pub enum SaveImageError {
    /// It can not be opened.
    #[error(transparent)]
    Open(#[from] OpenImageError),
    /// It can not be read, or the file not be written.
    #[error("failed to save the image to {}: {source}", path.display())]
    Save {
        /// The file.
        path: PathBuf,
        /// Why.
        source: SaveError,
    },
    /// The file is there already.
    #[error("{} exists already: remove it, or choose another name", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

/// Writes the image that `name` means for `platform`, as [`open_image`] understands it, to the new file `path`: a
/// tar of an OCI layout, the same bytes each time. The file appears when it is whole. Ends when
/// `cancel` becomes true.
///
/// # Errors
///
/// [`SaveImageError`]; then there is no such file.
pub fn save_image(
    name: &OsStr,
    platform: &Platform,
    path: &Path,
    directories: &Directories,
    cancel: &AtomicBool,
) -> Result<(), SaveImageError> {
    let failed = |source: SaveError| SaveImageError::Save {
        path: path.to_owned(),
        source,
    };
    let not_written = |source: io::Error| failed(SaveError::Write(source));
    if path.symlink_metadata().is_ok() {
        return Err(SaveImageError::Exists {
            path: path.to_owned(),
        });
    }
    let image = open_image(name, platform, directories)?;
    let file = beside(path, ".save-").map_err(not_written)?;
    let mut writer = BufWriter::with_capacity(256 << 10, file.as_file());
    save(&image, &mut writer, cancel).map_err(failed)?;
    drop(writer);
    file.as_file().sync_all().map_err(not_written)?;
    file.persist_noclobber(path).map_err(|error| {
        if error.error.kind() == io::ErrorKind::AlreadyExists {
            SaveImageError::Exists {
                path: path.to_owned(),
            }
        } else {
            not_written(error.error)
        }
    })?;
    Ok(())
}
