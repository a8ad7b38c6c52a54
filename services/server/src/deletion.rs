//! Jobs that are deleted: what they leave in the storage of outputs, and those that are old enough to go by
//! themselves.
//!
//! Any number of servers may do this at once: they pass over what another one is at, and an object that is
//! removed twice is removed.

use std::time::Duration;

use bencher_jobs::{JobId, Timestamp};

use crate::agreement::Agreement;
use crate::app::{App, ended};
use crate::moment::Moment;
use crate::outputs::OutputError;
use crate::store::StoreError;

/// Jobs that are deleted, or whose outputs are removed, at once.
const BATCH: u32 = 64;
/// How often there is a look for jobs that are old, and for outputs that were left.
const INTERVAL: Duration = Duration::from_mins(1);
/// How long whoever deletes something waits for its outputs to be removed.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
enum DeletionError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a job was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody asked for it.
    Request,
    /// It had ended long ago.
    Age,
}

impl Cause {
    /// All of them.
    pub(crate) const ALL: [Self; 2] = [Self::Request, Self::Age];

    /// Its name among the numbers for Prometheus.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Age => "age",
        }
    }
}

/// What is left of jobs that were deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(crate) enum Left {
    /// Nothing.
    Nothing,
    /// What they have in the storage: it is removed later.
    Outputs,
}

/// Looks at once and then from time to time, until the server ends.
pub(crate) async fn run(app: App) {
    let mut shutdown = app.shutdown.clone();
    let mut agreement = Agreement::new(app.settings.believed, Moment::now());
    // It is said once, and not every minute.
    let mut is_put_off = false;
    loop {
        let now = Moment::now();
        let left = agreement.look(now);
        if let Some(left) = left.filter(|_| app.settings.keep.is_some())
            && !std::mem::replace(&mut is_put_off, true)
        {
            tracing::info!(
                ?left,
                now = crate::time::rfc3339(now.wall()),
                "no job is deleted for its age until time has gone for a while without a leap"
            );
        }
        is_put_off &= left.is_some();
        let looked = tokio::select! {
            () = ended(&mut shutdown) => return,
            looked = look(&app, left.is_none().then(|| now.wall())) => looked,
        };
        if let Err(error) = looked {
            tracing::error!(%error, "deleted jobs have left something: trying again later");
        }
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// First what is left of others: while their outputs can not be removed, no more come to them. Ages are those of
/// the moment that is believed, and of no other: the clock may leap meanwhile.
async fn look(app: &App, believed: Option<Timestamp>) -> Result<(), DeletionError> {
    remove_left(app).await?;
    match (app.settings.keep, believed) {
        (Some(keep), Some(now)) => delete_old(app, now.before(keep)).await,
        _ => Ok(()),
    }
}

/// Removes what deleted jobs have left.
async fn remove_left(app: &App) -> Result<(), DeletionError> {
    let mut count = 0;
    loop {
        let jobs = app.store.unclean(BATCH).await?;
        if jobs.is_empty() {
            break;
        }
        remove_outputs(app, &jobs).await?;
        count += jobs.len();
    }
    if count > 0 {
        tracing::info!(jobs = count, "what deleted jobs had left is removed");
    }
    Ok(())
}

/// Deletes jobs that ended before that, a few at a time: runners' claims wait meanwhile.
async fn delete_old(app: &App, before: Timestamp) -> Result<(), DeletionError> {
    let mut count = 0;
    let done = loop {
        let deleted = app
            .store
            .write(|mut transaction| async {
                let done = transaction.delete_old(before, BATCH).await;
                (transaction, done)
            })
            .await;
        let jobs = match deleted {
            Ok((jobs, _told)) => jobs,
            Err(error) => break Err(error.into()),
        };
        if jobs.is_empty() {
            break Ok(());
        }
        count += jobs.len();
        note(app, &jobs, Cause::Age);
        if let Err(error) = remove_outputs(app, &jobs).await {
            break Err(error);
        }
    };
    if count > 0 {
        tracing::info!(jobs = count, "jobs that ended long ago were deleted");
    }
    done
}

/// Finishes what `jobs` were deleted for at somebody's request: counts them, and removes their outputs unless
/// that takes long.
pub(crate) async fn finish(app: &App, jobs: &[JobId]) -> Left {
    note(app, jobs, Cause::Request);
    tracing::info!(jobs = jobs.len(), "deleted at somebody's request");
    remove_in_time(app, jobs).await
}

/// Removes what deleted jobs have in the storage, unless that takes long: it is then removed later.
pub(crate) async fn remove_in_time(app: &App, jobs: &[JobId]) -> Left {
    match tokio::time::timeout(PATIENCE, remove_outputs(app, jobs)).await {
        Ok(Ok(())) => return Left::Nothing,
        Ok(Err(error)) => {
            tracing::error!(%error, "deleted jobs have left something: trying again later");
        }
        Err(_) => tracing::error!("the outputs of deleted jobs take long to be removed"),
    }
    Left::Outputs
}

/// Forgets and counts jobs that were deleted.
fn note(app: &App, jobs: &[JobId], cause: Cause) {
    for job in jobs {
        app.live.forget(*job);
    }
    app.metrics.count_deleted(cause, jobs.len());
}

/// Removes what deleted jobs have in the storage, and writes down of which that is done. One that fails does
/// not hold up the others.
async fn remove_outputs(app: &App, jobs: &[JobId]) -> Result<(), DeletionError> {
    let removed = app.outputs.remove_all_of(jobs).await?;
    let mut clean = Vec::with_capacity(removed.len());
    let mut done = Ok(());
    for (job, removed) in removed {
        match removed {
            Ok(()) => clean.push(job),
            Err(error) => done = Err(error.into()),
        }
    }
    app.store
        .write(|mut transaction| async {
            let done = transaction.note_clean(&clean).await;
            (transaction, done)
        })
        .await?;
    done
}
