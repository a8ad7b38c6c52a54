//! Removes objects.

use std::io;
use std::sync::Arc;

use bencher_jobs::JobId;
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::ObjectStoreExt as _;
use object_store::path::Path as Key;

use super::{OutputError, OutputPlace, Outputs, RESULTS, StorageOperation};

/// Jobs whose objects are removed at a time.
const AT_A_TIME: usize = 8;

impl Outputs {
    /// Removes an object; that it is not there is as well.
    pub(super) async fn remove(&self, key: &Key) -> Result<(), OutputError> {
        let (store, path) = (Arc::clone(&self.store), key.clone());
        let deleting = self.ask(StorageOperation::Delete, key.as_ref(), async move {
            store.delete(&path).await
        });
        let done = match deleting.await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(cause) => Err(OutputError::object(key.as_ref(), cause)),
        };
        self.noted(StorageOperation::Delete, done)
    }

    /// Removes all that there is of each of `jobs`, whenever it was written, and says what came of it.
    ///
    /// # Errors
    ///
    /// When the storage does not answer, or is not the one that was opened: that one may have objects.
    pub(crate) async fn remove_all_of(
        &self,
        jobs: &[JobId],
    ) -> Result<Vec<(JobId, Result<(), OutputError>)>, OutputError> {
        self.ping().await?;
        // Made here, since a stream that makes them borrows what it makes them of.
        let removals: Vec<_> = jobs.iter().map(|job| self.remove_all(*job)).collect();
        let removals = futures_util::stream::iter(removals).buffered(AT_A_TIME);
        let removed: Vec<_> = removals.collect().await;
        Ok(jobs.iter().copied().zip(removed).collect())
    }

    async fn remove_all(&self, job: JobId) -> Result<(), OutputError> {
        let name = format!("{RESULTS}/{job}");
        let prefix = Key::from(name.as_str());
        let listed = self
            .store
            .list(Some(&prefix))
            .map_ok(|object| object.location);
        let listing = listed.try_collect();
        let keys: Result<Vec<Key>, _> = self.ask(StorageOperation::List, &name, listing).await;
        let keys = keys.map_err(|cause| OutputError::object(&name, cause));
        for key in self.noted(StorageOperation::List, keys)? {
            self.remove(&key).await?;
        }
        let OutputPlace::Folder(folder) = &self.place else {
            return Ok(());
        };
        // What a server that was killed had begun to write is not listed.
        let folder = folder.join(&name);
        let removing = tokio::fs::remove_dir_all(folder);
        let removing = self.ask(StorageOperation::Delete, &name, removing);
        let done = match removing.await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OutputError::Remove { name, cause: error })
            }
            _ => Ok(()),
        };
        self.noted(StorageOperation::Delete, done)
    }
}
