//! Reading what the jobs of a comparison have measured, for its page.
//!
//! Results may be much, and intervals take time: few pages are made at a time, and of one token one. Each has its
//! turn from before it reads until its work has ended, whether or not somebody still waits for it.

mod reader;

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::http::StatusCode;
use bencher_jobs::{JobId, TokenId};

use reader::Reader;

use super::error::PageError;
use super::result::READING;
use super::sides::{Taken, Told};
use crate::api::ApiError;
use crate::app::App;
use crate::evidence::Evidence;
use crate::iterations;
use crate::store::Described;
use crate::turns::{self, Turns};
use crate::watchers::Full;

/// Results that are read for one page, in bytes: the rest is said to be missing.
const MAX_RESULTS: usize = 64 << 20;
/// How long the storage may take for all of one page: the rest is missing, too. It is much less than a page may take,
/// since what was read is compared then.
const ALL_READING: Duration = Duration::from_secs(20);
/// How long a page waits for its turn: little enough that it may be made then, in the time that an answer has.
const WAITING: Duration = Duration::from_secs(5);
/// Pages that are made at a time.
const PAGES: usize = 2;

/// The turn of a page.
pub(super) type Turn = turns::Turn<TokenId>;

static TURNS: LazyLock<Arc<Turns<TokenId>>> = LazyLock::new(|| Arc::new(Turns::new(PAGES, 1)));

/// The turn of a page for this token, once it has come.
///
/// # Errors
///
/// When others have all of them for some seconds, or the token has one for as long.
pub(super) async fn turn(token: TokenId) -> Result<Turn, ApiError> {
    let turn = TURNS.take_within(token, WAITING).await;
    turn.map_err(full)
}

fn full(full: Full) -> ApiError {
    match full {
        Full::Server => {
            let message =
                "this server draws as many comparisons as it can: try again in some seconds";
            ApiError::crowded(StatusCode::SERVICE_UNAVAILABLE, "full", message)
        }
        Full::Token => {
            let message = "this server draws another comparison for this token: wait until its page is \
                           there, and try again";
            let status = StatusCode::TOO_MANY_REQUESTS;
            ApiError::crowded(status, "too_many_comparisons", message)
        }
    }
}

/// What comes of `work`, which takes time that is not to be that of those who wait for other things. The turn
/// ends with the work, which goes on if nobody waits for it any more.
pub(super) async fn at_turn<T: Send + 'static>(
    turn: Turn,
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
    /// Results, and how they were measured.
    Read(Vec<u8>, Measuring<Vec<u8>>),
}

/// What the runner of a job says of how it was measured.
#[derive(Debug)]
enum Measuring<T> {
    /// Nothing.
    Untold,
    /// Something that the storage does not give.
    Unread,
    /// This.
    Told(T),
}

/// How many jobs a page says less of than it could.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// They have too many results, or none that can be read.
    pub(super) results: usize,
    /// Their results are there, and how they were measured can not be read.
    pub(super) evidence: usize,
}

impl Results {
    /// Whether a job has some.
    pub(super) fn are_of(&self, job: JobId) -> bool {
        self.of.contains(&job)
    }

    /// What was measured, and of how many jobs it is missing. This takes time.
    pub(super) fn taken(self) -> (Taken, Missing) {
        let mut taken = Taken::default();
        let mut missing = Missing::default();
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
                Left::Unread => (Vec::new(), Measuring::Untold),
            };
            let Ok(results) = iterations::all(&results) else {
                missing.results += 1;
                taken.pass_over(side, Told::Open);
                continue;
            };
            let evidence = match evidence {
                Measuring::Told(bytes) => Evidence::read(&bytes),
                Measuring::Untold => None,
                Measuring::Unread => {
                    missing.evidence += 1;
                    None
                }
            };
            taken.take(side, &results, evidence.as_ref());
        }
        (taken, missing)
    }
}

/// Reads the results of `jobs`, which are in their turns, several at a time.
pub(super) async fn results(app: &App, jobs: &[Described]) -> Result<Results, PageError> {
    Reader::new(app, MAX_RESULTS, READING, ALL_READING)
        .results(jobs)
        .await
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use futures_util::poll;

    use super::*;

    #[tokio::test]
    async fn a_turn_ends_with_its_work_and_not_with_those_who_wait() {
        let turns = Arc::new(Turns::new(1, 1));
        let [token, other] = [(); 2].map(|()| TokenId::generate());
        let turn = turns.take(token).await;
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
        // The work goes on. Nobody waits for it so long that there would be no time left.
        for (token, status) in [
            (token, StatusCode::TOO_MANY_REQUESTS),
            (other, StatusCode::SERVICE_UNAVAILABLE),
        ] {
            let late = turns.take_within(token, Duration::from_millis(10)).await;
            assert_eq!(full(late.expect_err("there is none")).status(), status);
        }
        end.send(()).expect("it goes on");
        let next = turns.take_within(other, Duration::from_mins(1)).await;
        next.expect("its work has ended");
    }
}
