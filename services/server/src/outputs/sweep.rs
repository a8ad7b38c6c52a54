//! Removes objects that nothing names: what was written just before its server was killed, and
//! results that came too late for their job, which may have been deleted since.
//!
//! Only what is old is looked at, since an object is there before the database names it, and only
//! objects of jobs that the database knows, or knew until they were deleted: others may be somebody else's.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::str::FromStr as _;
use std::time::{Duration, SystemTime};

use bencher_jobs::{JobId, Timestamp};
use futures_util::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path as Key;

use super::{OutputError, OutputPlace, Outputs, RESULTS, StorageOperation};
use crate::app::{App, ended};
use crate::store::{Store, StoreError};

/// Objects that the database is asked about at once.
const BATCH: usize = 256;
/// How long after its job was deleted an object may still be written, with more than enough to spare: its
/// server had begun before that.
const LATE: Duration = Duration::from_hours(1);
/// How long after a sweep there is another one, at the most.
const INTERVAL: Duration = Duration::from_hours(24);

#[derive(Debug, thiserror::Error)]
enum SweepError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sweeps at once and then from time to time, until the server ends.
pub(crate) async fn run(app: App) {
    let age = app.settings.orphans;
    let mut shutdown = app.shutdown.clone();
    loop {
        let swept = tokio::select! {
            () = ended(&mut shutdown) => return,
            swept = sweep(&app.outputs, &app.store, age) => swept,
        };
        match swept {
            Ok(Swept { removed, unknown }) => {
                if removed > 0 {
                    tracing::info!(objects = removed, "results that no job has were removed");
                }
                if unknown > 0 {
                    tracing::warn!(
                        objects = unknown,
                        "the storage has results of jobs that the database does not know: they stay"
                    );
                }
            }
            Err(error) => tracing::error!(%error, "results that no job has were not removed"),
        }
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = tokio::time::sleep(age.min(INTERVAL)) => {}
        }
    }
}

/// What a sweep found.
#[derive(Debug, Default, PartialEq, Eq)]
struct Swept {
    /// Objects that are gone.
    removed: usize,
    /// Objects of jobs that the database does not know.
    unknown: usize,
}

async fn sweep(outputs: &Outputs, store: &Store, age: Duration) -> Result<Swept, SweepError> {
    let now = SystemTime::now();
    let Some(before) = now.checked_sub(age) else {
        return Ok(Swept::default());
    };
    // Of jobs that were deleted before that there is nothing after this sweep.
    let forgotten = now.checked_sub(age + LATE).map(Timestamp::from);
    let mut swept = Swept::default();
    let mut batches = outputs.older_than(before).try_chunks(BATCH);
    while let Some(keys) = batches.next().await {
        let keys = keys.map_err(|error| error.1)?;
        let jobs: HashSet<JobId> = keys.iter().filter_map(job_of).collect();
        let jobs: Vec<JobId> = jobs.into_iter().collect();
        let named = store.results_of(&jobs).await?;
        for key in keys {
            match fate(&key, &named) {
                Fate::Stays => {}
                Fate::Unknown => swept.unknown += 1,
                Fate::Goes => {
                    outputs.remove(&key).await?;
                    swept.removed += 1;
                }
            }
        }
    }
    if let OutputPlace::Folder(folder) = &outputs.place {
        let folder = folder.join(RESULTS);
        let removed = tokio::task::spawn_blocking(move || remove_drafts(folder, before)).await;
        // It does not panic, and nobody ends it.
        swept.removed += removed.unwrap_or_default();
    }
    if let Some(forgotten) = forgotten {
        // A storage that is not the right one has no objects either.
        outputs.ping().await?;
        store
            .write(|mut transaction| async {
                let done = transaction.forget_deleted(forgotten).await;
                (transaction, done)
            })
            .await?;
    }
    Ok(swept)
}

/// What becomes of an object.
#[derive(Debug, PartialEq, Eq)]
enum Fate {
    Stays,
    Goes,
    Unknown,
}

/// `named` are the objects that the database has for each job that it knows or knew.
fn fate(key: &Key, named: &HashMap<JobId, Vec<String>>) -> Fate {
    match job_of(key).and_then(|job| named.get(&job)) {
        None => Fate::Unknown,
        Some(objects) if objects.iter().any(|it| it == key.as_ref()) => Fate::Stays,
        Some(_) => Fate::Goes,
    }
}

/// Whose results an object holds.
fn job_of(key: &Key) -> Option<JobId> {
    let job = key.parts().nth(1)?;
    JobId::from_str(job.as_ref()).ok()
}

impl Outputs {
    /// The names of results that were written before `time`.
    fn older_than(
        &self,
        time: SystemTime,
    ) -> impl futures_util::Stream<Item = Result<Key, OutputError>> + Unpin {
        let listed = self.store.list(Some(&Key::from(RESULTS)));
        Box::pin(listed.filter_map(move |object| {
            std::future::ready(match object {
                Ok(object) => {
                    (SystemTime::from(object.last_modified) < time).then_some(Ok(object.location))
                }
                Err(cause) => {
                    let error = Err(OutputError::object(RESULTS, cause));
                    Some(self.noted(StorageOperation::List, error))
                }
            })
        }))
    }
}

/// Removes what a server that was killed had begun to write, `NAME#NUMBER` in the folder of a job,
/// and says how many there were.
fn remove_drafts(results: PathBuf, before: SystemTime) -> usize {
    let entries = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut removed = 0;
    for job in entries(results) {
        for file in entries(job.path()) {
            let name = file.file_name();
            let is_draft = name
                .to_str()
                .and_then(|name| name.rsplit_once('#'))
                .is_some_and(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
            let written = file.metadata().and_then(|metadata| metadata.modified());
            let is_old = written.is_ok_and(|written| written < before);
            if is_draft && is_old && std::fs::remove_file(file.path()).is_ok() {
                removed += 1;
            }
        }
    }
    removed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    fn named(job: JobId, names: &[&String]) -> HashMap<JobId, Vec<String>> {
        HashMap::from([(job, names.iter().copied().cloned().collect())])
    }

    #[test]
    fn what_a_job_names_stays_and_what_others_may_name_too() {
        let job = JobId::generate();
        let (key, other) = ("results/{job}/1.json", "results/{job}/2.json");
        let [key, other] = [key, other].map(|text| text.replace("{job}", &job.to_string()));
        let path = Key::from(key.as_str());
        assert_eq!(fate(&path, &named(job, &[&key])), Fate::Stays);
        assert_eq!(fate(&path, &named(job, &[&other, &key])), Fate::Stays);
        assert_eq!(fate(&path, &named(job, &[&other])), Fate::Goes);
        assert_eq!(fate(&path, &named(job, &[])), Fate::Goes);
        assert_eq!(fate(&path, &named(JobId::generate(), &[])), Fate::Unknown);
        let foreign = Key::from("results/no-job/1.json");
        assert_eq!(fate(&foreign, &named(job, &[])), Fate::Unknown);
    }

    #[tokio::test]
    async fn what_came_for_a_deleted_job_goes_and_nobody_elses_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = OutputPlace::Folder(folder.path().join("outputs"));
        let outputs = Outputs::open(&place).await.expect("it can be used");
        let store = Store::open_file(&folder.path().join("db"))
            .await
            .expect("a database");
        let project = testing::project(&store, "p").await;
        let jobs = testing::submit(&store, project, 1).await;
        let deleted = store.write(|mut transaction| async {
            let canceled = transaction.cancel(jobs[0]).await;
            let done = match canceled {
                Ok(_) => transaction.delete_job(jobs[0]).await,
                Err(error) => Err(error),
            };
            (transaction, done)
        });
        deleted.await.expect("deleted");
        let long = format!("[{}]", "1,".repeat(20_000));
        for job in [jobs[0], JobId::generate()] {
            outputs.put(job, long.clone()).await.expect("kept");
        }
        // It may still be on its way into the database of a server.
        let young = sweep(&outputs, &store, Duration::from_hours(1)).await;
        let nothing = Swept::default();
        assert_eq!(young.expect("swept"), nothing);
        let (removed, unknown) = (1, 1);
        let old = sweep(&outputs, &store, Duration::ZERO).await;
        assert_eq!(old.expect("swept"), Swept { removed, unknown });
        // It is known for as long as more may come.
        outputs.put(jobs[0], long.clone()).await.expect("kept");
        let again = sweep(&outputs, &store, Duration::ZERO).await;
        assert_eq!(again.expect("swept"), Swept { removed, unknown });
    }

    #[test]
    fn drafts_are_removed_once_they_are_old() {
        let folder = tempfile::tempdir().expect("a folder");
        let job = folder.path().join("job");
        std::fs::create_dir(&job).expect("made");
        for name in ["1.json", "2.json#1", "3.json#x"] {
            std::fs::write(job.join(name), "").expect("written");
        }
        let now = SystemTime::now();
        let hour = Duration::from_hours(1);
        assert_eq!(remove_drafts(folder.path().to_owned(), now - hour), 0);
        assert_eq!(remove_drafts(folder.path().to_owned(), now + hour), 1);
        assert!(!job.join("2.json#1").exists());
        assert_eq!(std::fs::read_dir(&job).expect("a folder").count(), 2);
    }
}
