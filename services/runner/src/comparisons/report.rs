//! A comparison is followed to its end, and what came of it is printed as `runner compare` does.

use std::path::Path;

use bencher_channel_protocol::IterationOutput;
use bencher_oci::Cancellation;
use bencher_report::comparison::Options;
use bencher_runner::Reporter;
use bencher_runner::harness::AdapterChoice;
use bencher_runner::result::{Iteration, Iterations, ResultDocument, parse};
use bencher_server_api::{Comparison, Job, Spec};
use serde_json::value::RawValue;

use super::jobs::{letter, side};
use super::outputs::{Ended, sides};
use super::{jobs, path};
use crate::arguments::{ComparisonOutput, Question};
use crate::client::{ClientError, Connection, encoded, follow, get_patiently, printable};
use crate::compare::{Failure, check, conclude, exit_code, options, told};
use crate::terminal::Terminal;

/// The exit code of what was stopped.
const STOPPED: u8 = 130;

/// Why there is nothing to compare.
const NOTHING: &str = "nothing was measured: let the command print the results of a benchmark harness, have \
                       them collected (--output FILE, and --adapter NAME=FILE here), or submit with \
                       --build-time";

/// What is asked of a comparison.
pub(super) struct Asked<'a> {
    options: Options,
    adapter: Option<&'a AdapterChoice>,
    places: &'a ComparisonOutput,
}

impl<'a> Asked<'a> {
    /// Better to learn what can not be before the comparison has run than after it.
    pub(super) fn new(
        question: &'a Question,
        places: &'a ComparisonOutput,
    ) -> Result<Self, String> {
        check(places)?;
        Ok(Self {
            options: options(&question.metric, &question.judgement)?,
            adapter: question.adapter.as_ref(),
            places,
        })
    }
}

/// Follows the comparison to its end, prints what came of it, and returns the exit code that `runner compare`
/// would have ended with.
pub(super) fn report(
    connection: &Connection,
    id: &str,
    asked: &Asked<'_>,
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<u8, String> {
    let said = |error: ClientError| error.to_string();
    let comparison: Comparison = connection.get(&path(id)).map_err(said)?;
    if comparison.sides.len() != 2 {
        return Err(format!(
            "this comparison has {} sides, and a report is of two: its page shows all of them",
            comparison.sides.len()
        ));
    }
    let turns = jobs::of(connection, id).map_err(said)?;
    wait(connection, &turns, terminal, cancel).map_err(said)?;
    let spec = format!("/v0/specs/{}", encoded(&comparison.spec));
    let spec: Spec = get_patiently(connection, &spec, terminal, cancel).map_err(said)?;
    let ended = ended(connection, &turns, terminal, cancel).map_err(said)?;
    let outcome = sides(&ended, &spec.architecture, asked.adapter).map_err(Failure::from);
    let outcome = outcome.and_then(|found| {
        let cut = cut(&ended);
        if cut.is_none() && asked.options.metrics.is_empty() && !found.is_measured() {
            return Err(Failure::from(NOTHING.to_owned()));
        }
        let options = Options {
            interleaved: Some((found.orders, None)),
            ..asked.options.clone()
        };
        conclude(&found.inputs, &options, cut, |_| {}, asked.places)
    });
    Ok(told(
        outcome.map(|comparison| exit_code(&comparison)),
        terminal,
    ))
}

/// Until each job is over.
fn wait(
    connection: &Connection,
    turns: &[Job],
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<(), ClientError> {
    let count = |number| turns.iter().filter(|job| side(job) == number).count();
    let counts = [count(0), count(1)];
    let mut seen = [0; 2];
    for (turn, job) in turns.iter().enumerate() {
        let number = side(job);
        let place = usize::from(number > 0);
        seen[place] += 1;
        let whose = format!("{} {} of {}", letter(number), seen[place], counts[place]);
        let reporter = Turn { terminal, whose };
        follow(connection, &job.id, turn == 0, &reporter, cancel)?;
    }
    Ok(())
}

/// What the jobs wrote, in their turns.
fn ended(
    connection: &Connection,
    turns: &[Job],
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<Vec<Ended>, ClientError> {
    let one = |job: &Job| {
        let path = format!("/v0/jobs/{}", encoded(&job.id));
        let job: Job = get_patiently(connection, &path, terminal, cancel)?;
        let path = format!("{path}/results");
        let results = get_patiently(connection, &path, terminal, cancel);
        let mut results: Vec<IterationOutput> = match results {
            // A job that was stopped may have none.
            Err(ClientError::Refused { status: 404, .. }) => Vec::new(),
            results => results?,
        };
        // Nobody reads metrics out of it, and it may be much.
        for output in &mut results {
            output.stderr = None;
        }
        let evidence = evidence(connection, &job, terminal, cancel)?;
        Ok(Ended {
            job,
            results,
            evidence,
        })
    };
    turns.iter().map(one).collect()
}

/// How the job's runner measured it, if it has said it.
fn evidence(
    connection: &Connection,
    job: &Job,
    terminal: &Terminal,
    cancel: &Cancellation,
) -> Result<Option<ResultDocument<Iterations>>, ClientError> {
    let path = format!("/v0/jobs/{}/evidence", encoded(&job.id));
    let text: Box<RawValue> = match get_patiently(connection, &path, terminal, cancel) {
        // Not every runner says it.
        Err(ClientError::Refused { status: 404, .. }) => return Ok(None),
        found => found?,
    };
    match parse(Path::new(&job.id), text.get().as_bytes()) {
        Ok(document) => Ok(Some(document)),
        Err(error) => {
            let error = printable(&error.to_string());
            terminal.warning(&format!("how a job was measured can not be read: {error}"));
            Ok(None)
        }
    }
}

/// Why there is less than was asked for, if there is.
fn cut(ended: &[Ended]) -> Option<Failure> {
    let of = |ended: &Ended| {
        let job = &ended.job;
        let reason = job.reason.as_deref().unwrap_or("no reason given");
        let failed = ended.results.iter().find(|output| output.exit_code != 0);
        let (what, code) = match job.state.as_str() {
            "canceled" => ("was canceled".to_owned(), STOPPED),
            "completed" | "processed" => {
                let failed = failed.filter(|_| job.config["allow_failure"] != true)?;
                let what = format!(
                    "has a command that failed with exit code {}",
                    failed.exit_code
                );
                (what, crate::FAILED)
            }
            _ => (
                format!(
                    "failed ({reason}): {}",
                    job.error.as_deref().unwrap_or("nothing was said of it")
                ),
                crate::FAILED,
            ),
        };
        let message = format!(
            "the job {} of {} {what}; `runner jobs logs {}` shows what it wrote",
            job.id,
            letter(side(job)),
            job.id
        );
        Some(Failure {
            message: printable(&message),
            code,
        })
    };
    ended.iter().find_map(of)
}

/// What is said of one job, with whose it is.
#[derive(Debug)]
struct Turn<'a> {
    terminal: &'a Terminal,
    whose: String,
}

impl Turn<'_> {
    fn of(&self, message: &str) -> String {
        format!("{}: {message}", self.whose)
    }
}

impl Reporter for Turn<'_> {
    fn debug(&self, message: &str) {
        self.terminal.debug(&self.of(message));
    }

    fn info(&self, message: &str) {
        self.terminal.info(&self.of(message));
    }

    fn warning(&self, message: &str) {
        self.terminal.warning(&self.of(message));
    }

    fn begin(&self, step: &str, _total: Option<u64>) {
        self.info(step);
    }

    fn advance(&self, _done: u64) {}

    fn end(&self) {}

    fn iteration(&self, _iteration: &Iteration, _metrics_line: &str) {}
}
