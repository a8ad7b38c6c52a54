//! Results: small ones in the database, others as objects in a folder of this machine or in
//! S3-compatible storage.
//!
//! ```text
//!  a runner's result ── put ──► results/JOB/NEW.json ──► the database names it ──► acknowledged
//!                                        │
//!                                        └─ killed before that: the runner sends it again, and
//!                                           the object is swept once it is old (`sweep`)
//!
//!  a job is deleted ──► the database has no such job ──► all of results/JOB/ is removed (`remove`)
//!                                        │
//!                                        └─ killed before that: the database knows that it is to be
//!                                           removed, and whichever server is up does it
//! ```
//!
//! An object's name comes from the job and a new identifier, and from nothing that a runner or an
//! image says, so no file name can lead anywhere. No object is written twice: one that nothing
//! names long after it was written never will be named.

mod asking;
mod bucket;
mod error;
mod kept;
mod operation;
mod place;
mod reading;
mod remove;
pub(crate) mod sweep;
#[cfg(test)]
pub(crate) mod testing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bencher_jobs::JobId;
use futures_util::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt as _};
use tokio::time::timeout;
use uuid::Uuid;

use asking::Places;
pub use error::OutputError;
pub use kept::Kept;
pub(crate) use operation::StorageOperation;
pub use place::{Bucket, OutputPlace, PlaceError};
pub use reading::Reading;
pub(crate) use reading::lasting;

use crate::metrics::Metrics;

/// The object that shows that a storage is the one that was opened, and not an empty one in its
/// place.
const CHECK: &str = "check";
/// What it holds.
const CHECK_TEXT: &str = "This storage holds results of bencher-server.\n";
/// What the names of all results begin with.
const RESULTS: &str = "results";
/// How long an object may take to be written, however short it is.
const WRITING: Duration = Duration::from_secs(20);
/// Bytes in a second that an object is written and read with, at the least.
const LEAST_RATE: u64 = 1 << 20;
/// How long the storage may be silent. It is silent while an object is sent to it, too, and the longest one takes less.
const SILENCE: Duration = Duration::from_mins(2);

/// Where results are.
#[derive(Debug, Clone)]
pub struct Outputs {
    store: Arc<dyn ObjectStore>,
    place: OutputPlace,
    places: Places,
    /// Where its failures are counted.
    metrics: Option<Arc<Metrics>>,
}

impl Outputs {
    /// Opens the storage, and makes sure that it can be used: that it takes, gives and lists objects.
    ///
    /// # Errors
    ///
    /// When it can not be used.
    pub async fn open(place: &OutputPlace) -> Result<Self, OutputError> {
        let open = |cause| OutputError::open(place, cause);
        let store = match place {
            OutputPlace::Folder(path) => in_folder(path)?,
            OutputPlace::Bucket(bucket) => bucket::open(bucket),
        };
        let outputs = Self {
            store: store.map_err(open)?,
            place: place.clone(),
            places: Places::default(),
            metrics: None,
        };
        // First, since some storages make a bucket of what is put into it.
        let mut listed = outputs.store.list(Some(&Key::from(RESULTS)));
        listed.try_next().await.map_err(open)?;
        drop(listed);
        let check = Key::from(CHECK);
        let put = outputs.store.put(&check, CHECK_TEXT.into()).await;
        put.map_err(open)?;
        outputs.store.head(&check).await.map_err(open)?;
        Ok(outputs)
    }

    /// The same, whose failures `metrics` counts.
    pub(crate) fn observed(self, metrics: Arc<Metrics>) -> Self {
        Self {
            metrics: Some(metrics),
            ..self
        }
    }

    /// Keeps a job's results, a JSON list, or its evidence, a JSON object, and says where.
    ///
    /// # Errors
    ///
    /// When the storage fails, or takes too long.
    pub async fn put(&self, job: JobId, results: String) -> Result<Kept, OutputError> {
        let results = match Kept::inline(results) {
            Ok(kept) => return Ok(kept),
            Err(results) => results,
        };
        let key = format!("{RESULTS}/{job}/{}.json", Uuid::now_v7());
        let length = u64::try_from(results.len()).unwrap_or(u64::MAX);
        let patience = WRITING + lasting(length);
        let (store, path) = (Arc::clone(&self.store), Key::from(key.as_str()));
        let putting = self.ask(StorageOperation::Put, &key, async move {
            store.put(&path, results.into_bytes().into()).await
        });
        let done = match timeout(patience, putting).await {
            Ok(Ok(_)) => Ok(Kept::Object(key)),
            Ok(Err(cause)) => Err(OutputError::object(&key, cause)),
            Err(_) => Err(OutputError::Slow { key, patience }),
        };
        self.noted(StorageOperation::Put, done)
    }

    /// Whether the storage answers, and is the one that was opened.
    ///
    /// # Errors
    ///
    /// When it does not, or is not.
    pub async fn ping(&self) -> Result<(), OutputError> {
        let (store, check) = (Arc::clone(&self.store), Key::from(CHECK));
        let asking = self.ask(StorageOperation::Check, CHECK, async move {
            store.head(&check).await
        });
        let done = match asking.await {
            Ok(_) => Ok(()),
            Err(object_store::Error::NotFound { .. }) => {
                Err(OutputError::Gone(self.place.to_string()))
            }
            Err(cause) => Err(OutputError::object(CHECK, cause)),
        };
        self.noted(StorageOperation::Check, done)
    }
}

/// The objects in a folder: each is written under another name, and gets its own once it is whole
/// and on the disk.
fn in_folder(
    path: &Path,
) -> Result<Result<Arc<dyn ObjectStore>, object_store::Error>, OutputError> {
    std::fs::create_dir_all(path)?;
    Ok(LocalFileSystem::new_with_prefix(path).map(|store| {
        let store = store.with_fsync(true).with_automatic_cleanup(true);
        Arc::new(store) as Arc<dyn ObjectStore>
    }))
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    use super::*;

    /// Results that are too long for the database.
    fn long() -> String {
        format!("[{}]", "1,".repeat(20_000))
    }

    async fn opened(folder: &Path) -> Outputs {
        let place = OutputPlace::Folder(folder.to_owned());
        Outputs::open(&place).await.expect("it can be used")
    }

    #[tokio::test]
    async fn what_was_kept_is_got_whole_and_in_pieces() {
        let folder = tempfile::tempdir().expect("a folder");
        let outputs = opened(folder.path()).await;
        let job = JobId::generate();
        for results in ["[]".to_owned(), "{}".to_owned(), long()] {
            let kept = outputs.put(job, results.clone()).await.expect("kept");
            assert_eq!(Kept::from_column(kept.column().to_owned()), kept);
            let got = outputs.get(&kept, WRITING).await.expect("there");
            assert_eq!(got, results.as_bytes());
            let reading = outputs.read(&kept).await.expect("there");
            let pieces: Vec<_> = reading.pieces.try_collect().await.expect("read");
            assert_eq!(pieces.concat(), results.as_bytes());
            assert_eq!(reading.length, results.len() as u64);
        }
    }

    #[tokio::test]
    async fn no_object_is_written_twice() {
        let folder = tempfile::tempdir().expect("a folder");
        let outputs = opened(folder.path()).await;
        let job = JobId::generate();
        let one = outputs.put(job, long()).await.expect("kept");
        let other = outputs.put(job, long()).await.expect("kept");
        assert_ne!(one, other);
    }

    #[tokio::test]
    async fn what_is_not_there_is_lost_but_not_where_nothing_is_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let outputs = opened(folder.path()).await;
        let none = Kept::Object("results/none".to_owned());
        let error = outputs
            .get(&none, WRITING)
            .await
            .expect_err("it is not there");
        assert!(error.is_lost(), "{error}");
        // As if it had never been mounted.
        std::fs::remove_file(folder.path().join(CHECK)).expect("it is there");
        let error = outputs
            .get(&none, WRITING)
            .await
            .expect_err("nothing is there");
        assert!(!error.is_lost(), "{error}");
        assert!(error.to_string().contains("mount"), "{error}");
        assert!(outputs.ping().await.is_err());
        assert!(!OutputError::from(std::io::Error::other("full")).is_lost());
    }

    fn slow(config: ThrottleConfig) -> Outputs {
        Outputs {
            store: Arc::new(ThrottledStore::new(InMemory::new(), config)),
            place: OutputPlace::Folder("nowhere".into()),
            places: Places::default(),
            metrics: None,
        }
    }

    #[tokio::test]
    async fn what_comes_piece_by_piece_ends_where_no_other_piece_comes() {
        let outputs = slow(ThrottleConfig {
            wait_get_per_byte: Duration::from_millis(1),
            ..ThrottleConfig::default()
        });
        let kept = outputs.put(JobId::generate(), long()).await.expect("kept");
        let reading = outputs.read_with(&kept, Duration::from_millis(20)).await;
        let all = reading.expect("it begins").whole().await;
        let late = all.expect_err("it is slow");
        assert!(matches!(late, OutputError::Late(_)), "{late}");
    }

    #[tokio::test]
    async fn what_is_long_may_take_longer_than_what_is_short() {
        let patience = Duration::from_millis(200);
        // It takes half a second, of two that it has.
        let outputs = slow(ThrottleConfig {
            wait_get_per_byte: Duration::from_nanos(250),
            ..ThrottleConfig::default()
        });
        let results = format!("[{}]", " ".repeat(2 << 20));
        let kept = outputs.put(JobId::generate(), results.clone()).await;
        let got = outputs.get(&kept.expect("kept"), patience).await;
        assert_eq!(got.expect("there"), results.as_bytes());
        // Neither what is short nor what never begins has so much.
        for config in [
            ThrottleConfig {
                wait_get_per_byte: Duration::from_millis(1),
                ..ThrottleConfig::default()
            },
            ThrottleConfig {
                wait_get_per_call: Duration::from_hours(1),
                ..ThrottleConfig::default()
            },
        ] {
            let outputs = slow(config);
            let kept = outputs.put(JobId::generate(), long()).await.expect("kept");
            let late = outputs.get(&kept, patience).await.expect_err("it is slow");
            assert!(matches!(late, OutputError::Late(_)), "{late}");
            assert!(!late.is_lost());
        }
    }
}
