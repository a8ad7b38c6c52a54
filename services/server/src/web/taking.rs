//! Reading what the jobs of a comparison have measured, for its page.
//!
//! Results may be much, and intervals take time: few pages are made at a time, and each has its turn from
//! before it reads until its work has ended, whether or not somebody still waits for it.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use bencher_jobs::JobId;
use futures_util::{StreamExt as _, stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::PageError;
use super::result::{READING, evidence_of};
use super::sides::{Taken, Told};
use crate::api::ApiError;
use crate::app::App;
use crate::evidence::Evidence;
use crate::iterations;
use crate::store::Described;

/// Results that are read for one page, in bytes: the rest is said to be missing.
const MAX_RESULTS: usize = 64 << 20;
/// Jobs whose results are read at the same time.
const AT_ONCE: usize = 8;
/// Pages that are made at a time.
const PAGES: usize = 2;

static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(PAGES)));

/// The turn of a page, once it has come.
pub(super) async fn turn() -> OwnedSemaphorePermit {
    let Ok(turn) = Arc::clone(&TURNS).acquire_owned().await else {
        unreachable!("it is never closed");
    };
    turn
}

/// What comes of `work`, which takes time that is not to be that of those who wait for other things. The turn
/// ends with the work, which goes on if nobody waits for it any more.
pub(super) async fn at_turn<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        drop(turn);
        done
    });
    let done = working.await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// What the jobs of a comparison have left, in their turns.
#[derive(Debug, Default)]
pub(super) struct Results {
    jobs: Vec<(usize, Left)>,
    /// Those that have results.
    of: BTreeSet<JobId>,
}

/// What a job has left.
#[derive(Debug)]
enum Left {
    /// It is not over.
    Open,
    /// It is over without results.
    Nothing,
    /// More than a page has room for, or what the storage does not give.
    Unread,
    /// Results, and how they were measured, as far as that is known.
    Read(Vec<u8>, Option<Vec<u8>>),
}

impl Results {
    /// Whether a job has some.
    pub(super) fn are_of(&self, job: JobId) -> bool {
        self.of.contains(&job)
    }

    /// What was measured, and how many jobs have too much for a page, or nothing that can be read. This takes
    /// time.
    pub(super) fn taken(self) -> (Taken, usize) {
        let mut taken = Taken::default();
        let mut missing = 0;
        for (side, left) in self.jobs {
            let (results, evidence) = match left {
                Left::Read(results, evidence) => (results, evidence),
                Left::Open => {
                    taken.pass_over(side, Told::Open);
                    continue;
                }
                Left::Nothing => {
                    taken.pass_over(side, Told::Nothing);
                    continue;
                }
                Left::Unread => (Vec::new(), None),
            };
            let Ok(results) = iterations::all(&results) else {
                missing += 1;
                taken.pass_over(side, Told::Open);
                continue;
            };
            let evidence = evidence.and_then(|bytes| Evidence::read(&bytes));
            taken.take(side, &results, evidence.as_ref());
        }
        (taken, missing)
    }
}

/// Reads the results of `jobs`, which are in their turns, several at a time.
pub(super) async fn results(app: &App, jobs: &[Described]) -> Result<Results, PageError> {
    let room = AtomicUsize::new(MAX_RESULTS);
    let places: Vec<_> = jobs
        .iter()
        .filter_map(|Described { job, .. }| {
            let side = job.comparison?.side as usize;
            Some((side, job.id, job.life.state.is_over()))
        })
        .collect();
    let reading = stream::iter(places).map(|(side, job, is_over)| {
        let room = &room;
        async move { (side, job, read(app, job, is_over, room).await) }
    });
    let mut reading = pin!(reading.buffered(AT_ONCE));
    let mut found = Results::default();
    while let Some((side, job, left)) = reading.next().await {
        let mut left = left?;
        if let Left::Read(results, evidence) = &left {
            let bytes = results.len() + evidence.as_ref().map_or(0, Vec::len);
            let before = room.load(Ordering::Relaxed);
            room.store(before.saturating_sub(bytes), Ordering::Relaxed);
            if before == 0 {
                left = Left::Unread;
            }
        }
        if matches!(left, Left::Unread | Left::Read(..)) {
            found.of.insert(job);
        }
        found.jobs.push((side, left));
    }
    Ok(found)
}

async fn read(app: &App, job: JobId, is_over: bool, room: &AtomicUsize) -> Result<Left, PageError> {
    if !is_over {
        return Ok(Left::Open);
    }
    let Some(kept) = app.store.results(job).await.map_err(ApiError::from)? else {
        return Ok(Left::Nothing);
    };
    if room.load(Ordering::Relaxed) == 0 {
        return Ok(Left::Unread);
    }
    let error = match timeout(READING, app.outputs.get(&kept)).await {
        Ok(Ok(results)) => return Ok(Left::Read(results, evidence_of(app, job).await)),
        Ok(Err(error)) if error.is_lost() => return Ok(Left::Unread),
        Ok(Err(error)) => error.to_string(),
        Err(late) => late.to_string(),
    };
    tracing::error!(%job, error, "results can not be read now");
    // Nor can others, and each would be waited for.
    room.store(0, Ordering::Relaxed);
    Ok(Left::Unread)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_turn_ends_with_its_work_and_not_with_those_who_wait() {
        let turns = Arc::new(Semaphore::new(1));
        let turn = Arc::clone(&turns)
            .acquire_owned()
            .await
            .expect("it is open");
        let (begins, begun) = mpsc::channel();
        let (end, ends) = mpsc::channel::<()>();
        let work = move || {
            begins.send(()).expect("somebody waits for it");
            ends.recv().expect("it is told to end");
        };
        let mut waiting = Box::pin(at_turn(turn, work));
        assert!(poll!(&mut waiting).is_pending());
        begun.recv().expect("it has begun");
        drop(waiting);
        assert_eq!(turns.available_permits(), 0, "the work goes on");
        end.send(()).expect("it goes on");
        let _next = turns.acquire().await.expect("it is open");
    }
}
