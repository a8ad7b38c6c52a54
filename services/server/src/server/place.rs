//! Where a server keeps things.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use super::ServerError;
use crate::folder::{self, FolderError};
use crate::outputs::OutputPlace;
use crate::store::{Store, file_url};

/// Where a server keeps things.
#[derive(Debug, Clone)]
pub struct Place {
    /// The folder for everything that is not elsewhere.
    pub folder: PathBuf,
    /// The database's address; nothing: an SQLite file in the folder.
    pub database: Option<String>,
    /// Where results are kept; nothing: in the folder, too.
    pub outputs: Option<OutputPlace>,
}

impl Place {
    /// Opens the database, brings it up to date, and makes the folder if need be.
    ///
    /// # Errors
    ///
    /// When either can not be used.
    pub async fn open_store(&self) -> Result<Store, ServerError> {
        folder::prepare(&self.folder)?;
        Ok(Store::open(&self.url()).await?)
    }

    /// Opens the database beside servers that may be at work, and makes the folder if need be.
    ///
    /// # Errors
    ///
    /// When either can not be used, or the database is older than this program.
    pub async fn open_store_beside(&self) -> Result<Store, ServerError> {
        folder::prepare(&self.folder)?;
        Ok(Store::open_beside(&self.url()).await?)
    }

    pub(super) fn url(&self) -> String {
        self.database
            .clone()
            .unwrap_or_else(|| file_url(&self.folder.join("server.sqlite")))
    }

    pub(super) fn outputs(&self) -> OutputPlace {
        self.outputs
            .clone()
            .unwrap_or_else(|| OutputPlace::Folder(self.folder.join("outputs")))
    }
}

/// Makes sure that this is the only server of the folder.
pub(super) fn lock(folder: &Path) -> Result<File, ServerError> {
    let error = |cause| FolderError::Unusable {
        path: folder.to_owned(),
        cause,
    };
    let file = File::create(folder.join("lock")).map_err(error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServerError::InUse(folder.to_owned())),
        Err(TryLockError::Error(cause)) => Err(error(cause).into()),
    }
}
