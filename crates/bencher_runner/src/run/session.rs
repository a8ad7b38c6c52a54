//! A session: everything that happens while the host is kept quiet once, for one side or for two.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bencher_statistics::Order;

use super::output_folder::OutputFolder;
use super::precision::Course;
use super::quiet::{self, Quiet};
use super::repetition::{Next, Repetition, Step};
use super::report::{self, Report};
use super::side::{Ready, Side};
use super::turns::Turns;
use super::witness::Instruments;
use super::{Approval, Preview, RunError, RunOutcome};
use super::{blocking, iteration_folder, prepare};
use crate::result::evidence::ShortIterations;
use crate::result::{EndedBy, Host, Iteration, IterationSpool, Precision, ResultDocument};
use crate::scratch::Scratch;
use crate::validity::{CoolDown, Cooling, Observer};
use crate::{Interrupts, interruptible, network};

/// How long a VMM may take to tell its version, after everything else is done.
const VERSION_PATIENCE: Duration = Duration::from_secs(2);

/// What becomes of the results, beside what the specs say.
#[derive(Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// Nothing.
    Files,
    /// They are in what is returned, if what is about to run is approved of.
    HandBack(Approval<'a>),
    /// They are in what is returned, in short: of at most so many bytes each.
    Evidence(usize),
}

/// What became of runs.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: RunOutcome,
    /// The results, in the order of the sides, where they are handed back; empty when nothing ran.
    pub(super) documents: Vec<ResultDocument<IterationSpool>>,
    /// The same, in the same order, where they are handed back in short.
    pub(super) evidence: Vec<ResultDocument<ShortIterations>>,
    /// Which side of each pair came first, where there are two sides.
    pub(super) orders: Vec<Order>,
    /// How narrow the interval is, where that was the goal.
    pub(super) precision: Option<Precision>,
}

/// Runs `sides` by `turns`.
pub(super) async fn attempt(
    sides: &[Side],
    turns: Turns,
    purpose: Purpose<'_>,
    interrupts: &mut Interrupts,
) -> Result<Ended, RunError> {
    let (wanted, evidence) = match purpose {
        Purpose::Files => (false, None),
        Purpose::HandBack(_) => (true, None),
        Purpose::Evidence(most) => (false, Some(most)),
    };
    let mut reports = Vec::new();
    for side in sides {
        reports.push(Report::new(&side.spec, wanted, evidence)?);
    }
    let (ready, quiet) = match get_ready(sides, purpose, interrupts).await {
        Ok(ready) => ready,
        Err(error) => {
            let outcome = RunOutcome::failed(error);
            for (side, report) in sides.iter().zip(reports) {
                if let Err(second) = report.write_unprepared(&outcome) {
                    side.reporter.warning(&second.to_string());
                }
            }
            return Ok(Ended {
                outcome,
                documents: Vec::new(),
                evidence: Vec::new(),
                orders: Vec::new(),
                precision: None,
            });
        }
    };
    let versions: Vec<_> = ready
        .iter()
        .zip(&reports)
        .map(|(side, report)| report.is_wanted().then(|| side.vmm_version()))
        .collect();
    let session = Session {
        sides: &ready,
        quiet: &quiet,
    };
    let ended = session.repeat(turns, &mut reports, interrupts).await;
    let host = blocking(move || quiet.end()).await?;
    let mut documents = Vec::new();
    let mut in_short = Vec::new();
    let mut failures = Vec::new();
    // Of two sides it is the ratio's, which is in neither result.
    let own_precision = ended.precision.clone().filter(|_| sides.len() == 1);
    for ((side, report), version) in ready.iter().zip(reports).zip(versions) {
        let vmm_version = match version {
            // A VMM that does not tell its version at once is not waited for.
            Some(task) => match tokio::time::timeout(VERSION_PATIENCE, task).await {
                Ok(Ok(version)) => version,
                _ => None,
            },
            None => None,
        };
        let (host, outcome) = (host.clone(), &ended.outcome);
        let own_precision = own_precision.clone();
        match report.write(&side.prepared, host, vmm_version, outcome, own_precision) {
            Ok(Some(written)) => {
                failures.extend(written.failures);
                in_short.extend(written.evidence);
                if wanted {
                    documents.push(written.document);
                }
            }
            Ok(None) => {}
            Err(error) => failures.push(error),
        }
    }
    let mut outcome = ended.outcome;
    for failure in failures {
        if outcome.error.is_some() {
            sides[0].reporter.warning(&failure.to_string());
        } else {
            outcome = RunOutcome::failed(failure);
        }
    }
    Ok(Ended {
        outcome,
        documents,
        evidence: in_short,
        ..ended
    })
}

async fn get_ready<'a>(
    sides: &'a [Side],
    purpose: Purpose<'_>,
    interrupts: &mut Interrupts,
) -> Result<(Vec<Ready<'a>>, Quiet), RunError> {
    for side in sides {
        quiet::check(&side.spec)?;
    }
    let mut folders = Vec::new();
    for side in sides {
        folders.push(folder(side, interrupts).await?);
    }
    let mut outputs = Vec::new();
    let ready = prepare_and_quieten(sides, purpose, folders, &mut outputs, interrupts).await;
    if ready.is_err() {
        outputs.iter().flatten().for_each(OutputFolder::discard);
    }
    let (mut ready, quiet) = ready?;
    for (side, output) in ready.iter_mut().zip(outputs) {
        side.output = output;
    }
    Ok((ready, quiet))
}

/// A folder for `side`, once what others left is removed, which takes its time.
async fn folder(side: &Side, interrupts: &mut Interrupts) -> Result<Scratch, RunError> {
    let runs = side.spec.directories.state.join("runs");
    let reporter = Arc::clone(&side.reporter);
    let folder = interruptible(interrupts, move |_| {
        let clean_up_after = iteration_folder::clean_up_after;
        let folder = Scratch::create(&runs, "run-", reporter.as_ref(), clean_up_after);
        network::remove_left_over(reporter.as_ref());
        quiet::put_back_left_over(reporter.as_ref());
        folder
    });
    Ok(folder.await??)
}

/// Prepares the sides, and then quietens the host: it is not to be tuned, nor the work to be confined
/// to few CPUs, for as long as an image takes. Output folders that were made are in `outputs`.
async fn prepare_and_quieten<'a>(
    sides: &'a [Side],
    purpose: Purpose<'_>,
    folders: Vec<Scratch>,
    outputs: &mut Vec<Option<OutputFolder>>,
    interrupts: &mut Interrupts,
) -> Result<(Vec<Ready<'a>>, Quiet), RunError> {
    for side in sides {
        let output = side.spec.output_folder.as_deref();
        outputs.push(output.map(OutputFolder::create).transpose()?);
    }
    let mut ready = Vec::new();
    for (side, folder) in sides.iter().zip(folders) {
        let prepared = prepare::prepare(&side.spec, interrupts, &side.reporter).await?;
        ready.push(Ready {
            spec: &side.spec,
            reporter: &side.reporter,
            folder,
            output: None,
            prepared: Arc::new(prepared),
        });
    }
    if let Purpose::HandBack(approval) = purpose {
        let previews = ready.iter().map(preview).collect::<Result<Vec<_>, _>>()?;
        approval(&previews).map_err(RunError::Refused)?;
    }
    let first = &ready[0];
    let (spec, reporter) = (Arc::clone(first.spec), Arc::clone(first.reporter));
    let prepared = Arc::clone(&first.prepared);
    let begin = move || Quiet::begin(&spec, &prepared.sandbox, &reporter);
    Ok((ready, blocking(begin).await??))
}

fn preview(side: &Ready<'_>) -> Result<Preview, RunError> {
    Ok(Preview {
        setup: report::setup(side.spec, &side.prepared)?,
        host: Host::current(None, None),
    })
}

struct Session<'a> {
    sides: &'a [Ready<'a>],
    quiet: &'a Quiet,
}

impl Session<'_> {
    /// Runs the commands as often as was asked for, or until there is a reason to stop.
    async fn repeat(
        &self,
        turns: Turns,
        reports: &mut [Report<'_>],
        interrupts: &mut Interrupts,
    ) -> Ended {
        let first = &self.sides[0];
        let spec = first.spec;
        let placement = self.quiet.placement();
        let mut instruments: Vec<_> = self
            .sides
            .iter()
            .map(|side| {
                let sandbox = side.prepared.sandbox.sandbox();
                Instruments::new(side.spec, sandbox, placement, side.reporter)
            })
            .collect();
        let cool_down = spec
            .cool_down
            .map(|most| CoolDown::begin(&instruments[0].observer, most));
        let mut repetition =
            Repetition::new(spec.goal.clone(), spec.warmups, turns, spec.on_suspect);
        let mut course = Course::new(spec.goal.clone(), self.sides.len());
        let begin = Instant::now();
        let mut is_first = true;
        let outcome = loop {
            let turn = match repetition.step(begin.elapsed()) {
                Step::Turn(turn) => turn,
                Step::Look => {
                    let estimate = course.estimate(repetition.orders());
                    repetition.look(begin.elapsed(), estimate.as_ref());
                    course.tell(&repetition, estimate.as_ref(), first.reporter.as_ref());
                    continue;
                }
                Step::End => break RunOutcome::successful(),
            };
            let (side, instruments) = (&self.sides[turn.side], &mut instruments[turn.side]);
            if let Some(cool_down) = cool_down.filter(|_| !is_first)
                && let Err(error) = cool(side, cool_down, &instruments.observer, interrupts).await
            {
                break RunOutcome::failed(error);
            }
            is_first = false;
            let iterated = side
                .iterate(turn.index, placement, interrupts, instruments)
                .await;
            let (mut iteration, error) = match iterated {
                Ok(ended) => ended,
                Err(error) => break RunOutcome::failed(error),
            };
            iteration.warmup = turn.warmup;
            let unread = side.tell_metrics(&iteration);
            let has_failed = iteration.exit_code != 0 || unread.is_some();
            let stop = is_the_end(&iteration) || has_failed && !spec.allow_failure;
            let reasons = iteration.suspicions();
            let next = repetition.end(reasons.is_some());
            iteration.retried = !stop && next == Next::Retried;
            let announced = side.announce(&iteration);
            let kept = reports[turn.side].push(&iteration);
            course.push(turn.side, &iteration);
            if let Err(failure) = announced.and(kept) {
                if let Some(error) = error {
                    side.reporter.warning(&error.to_string());
                }
                break RunOutcome::failed(failure);
            }
            if stop {
                break match unread {
                    Some(unread) => RunOutcome::failed(unread),
                    None => RunOutcome {
                        exit_code: iteration.exit_code,
                        error,
                    },
                };
            }
            if let Some(unread) = unread {
                side.reporter.warning(&unread.to_string());
            }
            if let Err(error) = course.check(&iteration) {
                break RunOutcome::failed(error);
            }
            if let (Next::Failed, Some(reasons)) = (next, reasons) {
                let index = turn.index;
                break RunOutcome::failed(RunError::Suspect { index, reasons });
            }
        };
        Ended {
            outcome,
            documents: Vec::new(),
            evidence: Vec::new(),
            precision: course.precision(&repetition),
            orders: repetition.into_orders(),
        }
    }
}

/// Whether no other iteration is to follow, whatever the user allows.
fn is_the_end(iteration: &Iteration) -> bool {
    matches!(iteration.ended_by, EndedBy::Failure | EndedBy::Interrupt)
}

/// Waits until the processor is cool enough for the next iteration. A signal ends that.
async fn cool(
    side: &Ready<'_>,
    cool_down: CoolDown,
    observer: &Observer,
    interrupts: &mut Interrupts,
) -> Result<(), RunError> {
    let cooling = tokio::select! {
        cooling = cool_down.wait(observer) => cooling,
        signal = interrupts.next() => return Err(RunError::Interrupted(signal)),
    };
    match cooling {
        Cooling::Cool => {}
        Cooling::StillWarm(warmer) => side.reporter.warning(&format!(
            "the processor is still {} degrees warmer than at the start: --cool-down \
             ended the wait",
            warmer / 1000
        )),
        Cooling::Unknown => side
            .reporter
            .info("this host does not tell its temperature: there is no cooling down to wait for"),
    }
    Ok(())
}
