//! Results: small ones in the database, others as objects in a folder of this machine or in
//! S3-compatible storage.
//!
//! An object's name comes from the job and from the content's hash, and from nothing that a runner
//! or an image says. So a result that is sent twice is the same object, and no file name can lead
//! anywhere.

use std::path::Path;
use std::sync::Arc;

use bencher_jobs::JobId;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use ring::digest::{SHA256, digest};

/// Why a result can not be kept or got.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The storage can not be used at all.
    #[error("failed to use {place} for outputs: {cause}")]
    Open {
        /// What was asked for.
        place: String,
        /// Why.
        cause: object_store::Error,
    },
    /// The folder can not be made.
    #[error("failed to make the folder for outputs: {0}; choose a place that you can write to")]
    Folder(#[from] std::io::Error),
    /// One object can not be used.
    #[error("failed to use the results {key}: {cause}")]
    Object {
        /// The object.
        key: String,
        /// Why.
        cause: object_store::Error,
    },
}

impl OutputError {
    /// Whether there is no such object, which no other attempt changes.
    pub fn is_lost(&self) -> bool {
        let Self::Object { cause, .. } = self else {
            return false;
        };
        matches!(cause, object_store::Error::NotFound { .. })
    }
}

/// The longest result that the database itself keeps, in bytes: it is then written with the change
/// of its job's state, at no cost of its own.
const MAX_INLINE: usize = 16 * 1024;

/// Where one job's results are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// Here: JSON.
    Inline(String),
    /// In the object of this name.
    Object(String),
}

impl Kept {
    /// As a column of the database.
    pub fn column(&self) -> &str {
        match self {
            Self::Inline(text) | Self::Object(text) => text,
        }
    }

    /// Out of a column of the database: results are a JSON list.
    pub fn from_column(text: String) -> Self {
        if text.starts_with('[') {
            Self::Inline(text)
        } else {
            Self::Object(text)
        }
    }
}

/// Where results are.
#[derive(Debug, Clone)]
pub struct Outputs(Arc<dyn ObjectStore>);

impl Outputs {
    /// In a folder, which need not exist.
    ///
    /// # Errors
    ///
    /// When it can not be made.
    pub fn in_folder(path: &Path) -> Result<Self, OutputError> {
        std::fs::create_dir_all(path)?;
        let store = LocalFileSystem::new_with_prefix(path).map_err(|cause| OutputError::Open {
            place: path.display().to_string(),
            cause,
        })?;
        Ok(Self(Arc::new(store.with_fsync(true))))
    }

    /// Keeps a job's results, a JSON list, and says where.
    ///
    /// # Errors
    ///
    /// When the storage fails.
    pub async fn put(&self, job: JobId, results: String) -> Result<Kept, OutputError> {
        if results.len() <= MAX_INLINE {
            return Ok(Kept::Inline(results));
        }
        let hash = hex::encode(digest(&SHA256, results.as_bytes()));
        let key = format!("results/{job}/{hash}.json");
        self.0
            .put(&Key::from(key.as_str()), results.into_bytes().into())
            .await
            .map_err(|cause| OutputError::Object {
                key: key.clone(),
                cause,
            })?;
        Ok(Kept::Object(key))
    }

    /// The results that are kept there.
    ///
    /// # Errors
    ///
    /// When there are none, or the storage fails.
    pub async fn get(&self, kept: &Kept) -> Result<Vec<u8>, OutputError> {
        let key = match kept {
            Kept::Inline(text) => return Ok(text.clone().into_bytes()),
            Kept::Object(key) => key,
        };
        let error = |cause| OutputError::Object {
            key: key.clone(),
            cause,
        };
        let found = self.0.get(&Key::from(key.as_str())).await.map_err(error)?;
        Ok(found.bytes().await.map_err(error)?.to_vec())
    }

    /// Whether the storage answers.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), OutputError> {
        match self.0.head(&Key::from("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(OutputError::Object {
                key: "ping".to_owned(),
                cause,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_there_is_lost_and_what_can_not_be_read_now_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let outputs = Outputs::in_folder(folder.path()).expect("it can be used");
        let error = outputs.get(&Kept::Object("results/none".to_owned())).await;
        assert!(error.expect_err("it is not there").is_lost());
        let error = OutputError::from(std::io::Error::other("full"));
        assert!(!error.is_lost());
    }
}
