//! Reads the results of completed jobs: completed → processed.
//!
//! Results that can not be read for the moment are passed over and tried again after a pause, so that all
//! others are read meanwhile. Those are known in memory only: the next server tries them at once. Results that are
//! in the database wait for none of the storage, which may hang: each have a reader of their own.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bencher_jobs::JobId;
use futures_util::{StreamExt as _, stream};
use tokio::time::{Instant, sleep, sleep_until};

use crate::app::{App, ended};
use crate::beside::beside;
use crate::bus::Reader;
use crate::iterations;
use crate::outputs::{Kept, OutputError};
use crate::store::{StoreError, Unprocessed};
use crate::summary::summarize;
use crate::telemetry::trace_id;

/// Jobs that are looked for, and written down, at once.
const BATCH: u32 = 64;
/// Results that are got from the storage at once.
const AT_ONCE: usize = 8;
/// How long the storage may take for one job's, however short they are.
const READING: Duration = Duration::from_secs(20);
/// How long others may complete in the meantime, to be read together: runners' claims wait while what was
/// read is written.
const GATHER: Duration = Duration::from_millis(100);
/// How long to wait after something failed, at first.
const PAUSE: Duration = Duration::from_secs(5);
/// How long at most, after it failed again and again.
const LONGEST: Duration = Duration::from_mins(5);

/// The summary of no iterations.
const NOTHING: &str = "[]";

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("they are no results: {0}")]
    Json(#[from] serde_json::Error),
}

impl ReadError {
    /// Whether another attempt would end like this one.
    fn is_final(&self) -> bool {
        match self {
            Self::Output(error) => error.is_lost(),
            Self::Json(_) => true,
        }
    }
}

/// Jobs whose results could not be read, though they may be later: others do not wait for them.
type Later = HashMap<JobId, Retry>;

/// When results are read again.
#[derive(Debug, Clone, Copy)]
struct Retry {
    pause: Duration,
    at: Instant,
}

/// Reads results as they come, until the server ends. What was left by one that ended is read too.
pub(crate) async fn run(app: App) {
    let all = Reader::ALL.map(|reader| serve(app.clone(), reader));
    futures_util::future::join_all(all).await;
}

impl Reader {
    /// Whether it reads these.
    fn reads(self, results: Option<&Kept>) -> bool {
        let is_stored = matches!(results, Some(Kept::Object(_)));
        is_stored == (self == Self::Storage)
    }
}

async fn serve(app: App, reader: Reader) {
    let bus = Arc::clone(&app.bus);
    let mut shutdown = app.shutdown.clone();
    let mut later = Later::new();
    loop {
        // What is not written down then is read by the next server.
        let done = tokio::select! {
            () = ended(&mut shutdown) => return,
            done = pass(&app, reader, &mut later) => done,
        };
        let next = later.values().map(|retry| retry.at).min();
        let wake = async {
            if let Err(error) = done {
                tracing::error!(%error, "results were not read");
                return sleep(PAUSE).await;
            }
            let again = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = bus.results(reader) => {}
                () = again => {}
            }
            sleep(GATHER).await;
        };
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = wake => {}
        }
    }
}

/// Reads all that nobody has tried to read yet, and then some of what is to be tried once more.
async fn pass(app: &App, reader: Reader, later: &mut Later) -> Result<(), StoreError> {
    let mut due = Vec::new();
    let mut left = HashSet::new();
    let mut after = None;
    loop {
        let jobs = app.store.unprocessed(after, BATCH).await?;
        let Some(last) = jobs.last() else {
            break;
        };
        after = Some(last.job);
        let now = Instant::now();
        let mut new = Vec::with_capacity(jobs.len());
        for one in jobs {
            if !reader.reads(one.results.as_ref()) {
                continue;
            }
            left.insert(one.job);
            match later.get(&one.job) {
                None => new.push(one),
                Some(retry) if retry.at <= now && due.len() < AT_ONCE => due.push(one),
                Some(_) => {}
            }
        }
        if !new.is_empty() {
            read(app, new, later).await?;
            sleep(GATHER).await;
        }
    }
    // Others were read by another server, or deleted.
    later.retain(|job, _| left.contains(job));
    read(app, due, later).await
}

/// Reads the results of `jobs`, and writes down what they hold as soon as they are read. Results that are lost,
/// or are none, are read as empty ones: no other attempt changes them.
async fn read(app: &App, jobs: Vec<Unprocessed>, later: &mut Later) -> Result<(), StoreError> {
    let reading = stream::iter(jobs)
        .map(|one| async move {
            let summary = summary(app, one.results.as_ref()).await;
            (one, summary)
        })
        .buffer_unordered(AT_ONCE)
        .ready_chunks(BATCH as usize);
    let mut reading = pin!(reading);
    while let Some(read) = reading.next().await {
        let mut summaries = Vec::with_capacity(read.len());
        for (Unprocessed { job, trace, .. }, summary) in read {
            let error = match summary {
                Ok(summary) => {
                    summaries.push((job, summary));
                    continue;
                }
                Err(error) => error,
            };
            let trace_id = trace_id(trace);
            if error.is_final() {
                tracing::error!(%job, trace_id, %error, "results were not read, and never will be");
                summaries.push((job, NOTHING.to_owned()));
                continue;
            }
            let pause = later
                .get(&job)
                .map_or(PAUSE, |retry| (retry.pause * 2).min(LONGEST));
            tracing::error!(%job, trace_id, %error, ?pause, "results were not read, and are tried again");
            let at = Instant::now() + pause;
            later.insert(job, Retry { pause, at });
        }
        if summaries.is_empty() {
            continue;
        }
        app.write(|mut transaction| async {
            let done = transaction.process(&summaries).await;
            (transaction, done)
        })
        .await?;
    }
    Ok(())
}

async fn summary(app: &App, kept: Option<&Kept>) -> Result<String, ReadError> {
    let Some(kept) = kept else {
        return Ok(NOTHING.to_owned());
    };
    let bytes = app.outputs.get(kept, READING).await?;
    let read = move || -> Result<String, ReadError> {
        let results = iterations::all(&bytes)?;
        Ok(serde_json::to_string(&summarize(&results))?)
    };
    match kept {
        Kept::Inline(_) => read(),
        Kept::Object(_) => beside(read).await,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use bencher_jobs::State;
    use tokio::time::timeout;

    use super::*;
    use crate::outputs::testing::{Hanging, object};
    use crate::server::Server;
    use crate::store::testing;

    /// Waits until all of `jobs` are processed.
    async fn wait_for(app: &App, jobs: &[JobId]) {
        let mut changes = app.bus.watch();
        let waiting = async {
            for job in jobs {
                while app.store.job(*job).await.expect("it").life.state != State::Processed {
                    // Whatever it is, there is something new.
                    let _change = changes.recv().await;
                }
            }
        };
        let minute = Duration::from_mins(1);
        timeout(minute, waiting).await.expect("not after a minute");
    }

    #[tokio::test]
    async fn results_that_can_not_be_read_hold_up_no_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::in_folder(folder.path()).await;
        let app = server.app();
        let store = &app.store;
        let project = testing::project(store, "p").await;
        let jobs = testing::submit(store, project, BATCH as usize + 2).await;
        // Whoever opens it fails, though it is there.
        let (path, unreadable) = object(folder.path(), "loop");
        symlink("loop", &path).expect("linked");
        let (last, stuck) = jobs.split_last().expect("some");
        testing::complete(store, stuck, &unreadable).await;
        let inline = Kept::Inline("[]".to_owned());
        testing::complete(store, &[*last], &inline).await;
        app.bus.publish_all();
        wait_for(app, &[*last]).await;
        for job in stuck {
            let state = store.job(*job).await.expect("it").life.state;
            assert_eq!(state, State::Completed);
        }
        // Once they can be read, they are.
        std::fs::remove_file(&path).expect("removed");
        std::fs::write(&path, "[]").expect("written");
        wait_for(app, stuck).await;
    }

    #[tokio::test]
    async fn results_in_a_storage_that_hangs_hold_up_others_of_it_for_a_while_and_none_of_the_database()
     {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::in_folder(folder.path()).await;
        let app = server.app();
        let store = &app.store;
        let project = testing::project(store, "p").await;
        let jobs = testing::submit(store, project, AT_ONCE + 2).await;
        let (path, hangs) = object(folder.path(), "hangs");
        let _hanging = Hanging::at(&path);
        let (path, there) = object(folder.path(), "there");
        std::fs::write(path, "[]").expect("written");
        let (stuck, others) = jobs.split_at(AT_ONCE);
        testing::complete(store, stuck, &hangs).await;
        testing::complete(store, &others[..1], &there).await;
        testing::complete(store, &others[1..], &Kept::Inline("[]".to_owned())).await;
        app.bus.publish_all();
        timeout(READING / 2, wait_for(app, &others[1..]))
            .await
            .expect("it waits for the storage");
        let state = async |job| store.job(job).await.expect("it").life.state;
        assert_eq!(state(others[0]).await, State::Completed);
        // All that is got at once hangs, until it is given up for the others.
        wait_for(app, &others[..1]).await;
        for job in stuck {
            assert_eq!(state(*job).await, State::Completed);
        }
    }
}
