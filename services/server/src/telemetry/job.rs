//! One job: the spans of its life, told once it is over.
//!
//! ```text
//!  POST /v0/jobs ── the request that submitted it
//!    └─ job ─────────────────────────────────────────────────────
//!         ├─ waiting ──┤ claimed
//!         ├─ ───────────├─ set-up ──┤ running
//!         ├─ ──────────────────────├─ running ──┤ ended
//!         └─ ──────────────────────────────────├─ processing ──┤
//! ```
//!
//! A job that silence has ended, and whose result came all the same, is told twice: as failed, and then as what
//! became of it, with spans of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bencher_jobs::{Life, State, Timestamp};
use tokio::sync::mpsc;

use super::context::Context;
use super::export::Exporter;
use super::otlp::{Attribute, Kind, Outcome, Span};
use crate::store::{Job, Slugs, Store};

/// Jobs that wait to be told of; what is more is dropped.
const WAITING: usize = 4096;

/// A job that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ended {
    /// The job as it is now.
    pub(crate) job: Job,
    /// When it became so.
    pub(crate) at: Timestamp,
}

/// Where jobs go that are over.
#[derive(Debug, Clone)]
pub(crate) struct JobSpans {
    sender: mpsc::Sender<Box<Ended>>,
    exporter: Exporter,
}

impl JobSpans {
    /// Begins to tell `exporter` of jobs, with the names that `store` has for what they refer to. The task ends
    /// once all handles are gone and everything is told: `store` must not hold one.
    pub(crate) fn start(store: Store, exporter: Exporter) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING);
        tokio::spawn(run(store, exporter.clone(), receiver));
        Self { sender, exporter }
    }

    /// Tells of a job, if there is room.
    pub(crate) fn tell(&self, ended: Ended) {
        if self.sender.try_send(Box::new(ended)).is_err() {
            self.exporter.count_dropped(1);
        }
    }
}

async fn run(store: Store, exporter: Exporter, mut receiver: mpsc::Receiver<Box<Ended>>) {
    while let Some(ended) = receiver.recv().await {
        let job = &ended.job;
        let slugs = match store.slugs(job.id).await {
            Ok(slugs) => slugs,
            Err(error) => {
                let trace_id = job.trace_id();
                tracing::warn!(job = %job.id, trace_id, %error, "a collector is told no names of a job");
                Slugs::default()
            }
        };
        for span in spans(&ended, &slugs) {
            exporter.export(span);
        }
    }
}

/// A part of a job's life.
struct Phase {
    name: &'static str,
    start: Timestamp,
    end: Timestamp,
}

/// The parts of a job's life that there were, without gaps.
fn phases(job: &Job, at: Timestamp) -> Vec<Phase> {
    let Life {
        claimed,
        started,
        ended,
        state,
        ..
    } = job.life;
    let ended = ended.unwrap_or(at);
    let starts = [
        ("waiting", Some(job.created)),
        ("set-up", claimed),
        ("running", started),
        (
            "processing",
            Some(ended).filter(|_| state == State::Processed),
        ),
    ];
    let mut phases: Vec<Phase> = Vec::with_capacity(starts.len());
    for (name, start) in starts {
        let Some(start) = start else { continue };
        if let Some(last) = phases.last_mut() {
            last.end = start;
        }
        let end = if name == "processing" { at } else { ended };
        phases.push(Phase { name, start, end });
    }
    phases
}

/// The job as a whole, and each part of its life.
fn spans(ended: &Ended, slugs: &Slugs) -> Vec<Span> {
    let Ended { job, at } = ended;
    let life = &job.life;
    let outcome = match life.state {
        State::Failed => Outcome::Error(life.reason.map_or("", |reason| reason.name()).to_owned()),
        _ => Outcome::Unset,
    };
    let whole = Context::within(job.trace);
    let phases = phases(job, *at);
    let last = phases.len().saturating_sub(1);
    let end = phases.last().map_or(*at, |phase| phase.end);
    let mut spans = vec![span(
        whole,
        "job",
        (job.created, end),
        attributes(job, slugs),
    )];
    spans[0].outcome = outcome.clone();
    for (place, phase) in phases.into_iter().enumerate() {
        let context = Context::within(Some(whole.as_parent()));
        let attributes = vec![("bencher.job.id", job.id.to_string().into())];
        let mut span = span(context, phase.name, (phase.start, phase.end), attributes);
        if place == last {
            // What went wrong, went wrong here.
            span.outcome = outcome.clone();
        }
        spans.push(span);
    }
    spans
}

fn span(
    context: Context,
    name: &str,
    (start, end): (Timestamp, Timestamp),
    attributes: Vec<(&'static str, Attribute)>,
) -> Span {
    Span {
        context,
        name: name.to_owned(),
        kind: Kind::Internal,
        start: time(start),
        // Of two servers one may be behind.
        end: time(end.max(start)),
        attributes,
        outcome: Outcome::Unset,
    }
}

fn attributes(job: &Job, slugs: &Slugs) -> Vec<(&'static str, Attribute)> {
    let life = &job.life;
    let or_id = |slug: &Option<String>, id: String| slug.clone().unwrap_or(id);
    let mut attributes = vec![
        ("bencher.job.id", job.id.to_string().into()),
        (
            "bencher.project",
            or_id(&slugs.project, job.project.to_string()).into(),
        ),
        (
            "bencher.spec",
            or_id(&slugs.spec, job.spec.to_string()).into(),
        ),
        ("bencher.job.state", life.state.name().into()),
        (
            "bencher.job.priority",
            Attribute::Number(job.priority.into()),
        ),
    ];
    let runner = life
        .runner
        .map(|runner| or_id(&slugs.runner, runner.to_string()));
    attributes.extend(runner.map(|runner| ("bencher.runner", runner.into())));
    let comparison = job.comparison.map(|side| side.comparison.to_string());
    attributes.extend(comparison.map(|id| ("bencher.comparison.id", id.into())));
    if let Some(reason) = life.reason {
        attributes.push(("bencher.job.reason", reason.name().into()));
        if life.state == State::Failed {
            // As OpenTelemetry's conventions have it.
            attributes.push(("error.type", reason.name().into()));
        }
    }
    attributes
}

fn time(moment: Timestamp) -> SystemTime {
    let milliseconds = u64::try_from(moment.milliseconds()).unwrap_or_default();
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use bencher_jobs::{JobId, ProjectId, Reason, RunnerId, SpecId};

    use super::*;

    const PARENT: &str = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331";

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_milliseconds(milliseconds)
    }

    /// Submitted at 100, and over.
    fn job(state: State, reason: Option<Reason>, moments: [Option<i64>; 3]) -> Job {
        let [claimed, started, ended] = moments.map(|moment| moment.map(at));
        Job {
            id: JobId::generate(),
            project: ProjectId::generate(),
            spec: SpecId::generate(),
            submitter: None,
            created: at(100),
            priority: 3,
            timeout: 60,
            comparison: None,
            bound_to: None,
            trace: PARENT.parse().ok(),
            life: Life {
                state,
                reason,
                runner: claimed.map(|_| RunnerId::generate()),
                claimed,
                started,
                ended,
                ..Life::PENDING
            },
        }
    }

    /// Names and moments in milliseconds.
    fn told(job: &Job, moment: i64) -> Vec<(String, u128, u128, Outcome)> {
        let ended = Ended {
            job: job.clone(),
            at: at(moment),
        };
        let milliseconds = |time: SystemTime| {
            let since = time.duration_since(UNIX_EPOCH).expect("after the epoch");
            since.as_millis()
        };
        let spans = spans(&ended, &Slugs::default());
        spans
            .into_iter()
            .map(|span| {
                let (start, end) = (milliseconds(span.start), milliseconds(span.end));
                (span.name, start, end, span.outcome)
            })
            .collect()
    }

    #[test]
    fn lives_have_their_parts() {
        use State::{Canceled, Failed, Processed};
        let silent = Some(Reason::HeartbeatTimeout);
        let canceled = Some(Reason::CanceledByUser);
        let archived = Some(Reason::RunnerArchived);
        for (case, job, moment, expected) in [
            (
                "all of it",
                job(Processed, None, [Some(200), Some(300), Some(400)]),
                450,
                &[
                    ("job", 100, 450),
                    ("waiting", 100, 200),
                    ("set-up", 200, 300),
                    ("running", 300, 400),
                    ("processing", 400, 450),
                ][..],
            ),
            (
                "`running` was lost with a connection",
                job(Processed, None, [Some(200), None, Some(400)]),
                450,
                &[
                    ("job", 100, 450),
                    ("waiting", 100, 200),
                    ("set-up", 200, 400),
                    ("processing", 400, 450),
                ],
            ),
            (
                "silent",
                job(Failed, silent, [Some(200), Some(300), Some(400)]),
                400,
                &[
                    ("job", 100, 400),
                    ("waiting", 100, 200),
                    ("set-up", 200, 300),
                    ("running", 300, 400),
                ],
            ),
            (
                "silent while it was prepared",
                job(Failed, silent, [Some(200), None, Some(400)]),
                400,
                &[
                    ("job", 100, 400),
                    ("waiting", 100, 200),
                    ("set-up", 200, 400),
                ],
            ),
            (
                "canceled while it waited",
                job(Canceled, canceled, [None, None, Some(400)]),
                400,
                &[("job", 100, 400), ("waiting", 100, 400)],
            ),
            (
                "no machine any more",
                job(Failed, archived, [None, None, Some(400)]),
                400,
                &[("job", 100, 400), ("waiting", 100, 400)],
            ),
            (
                "the clock of the server that gave it out is behind",
                job(Canceled, canceled, [Some(90), None, Some(400)]),
                400,
                &[
                    ("job", 100, 400),
                    ("waiting", 100, 100),
                    ("set-up", 90, 400),
                ],
            ),
        ] {
            let told = told(&job, moment);
            let parts: Vec<_> = told
                .iter()
                .map(|(name, start, end, _)| (name.as_str(), *start, *end))
                .collect();
            assert_eq!(parts, expected, "{case}");
            let errors: Vec<_> = told
                .iter()
                .map(|(.., outcome)| *outcome != Outcome::Unset)
                .collect();
            let has_failed = job.life.state == Failed;
            // The job, and the part of its life in which it failed.
            for (place, is_error) in errors.iter().enumerate() {
                let is_its = place == 0 || place + 1 == errors.len();
                assert_eq!(*is_error, has_failed && is_its, "{case}: {place}");
            }
        }
    }

    #[test]
    fn spans_hang_together_below_the_request() {
        let job = job(
            State::Failed,
            Some(Reason::RunnerFailed),
            [Some(200), Some(300), Some(400)],
        );
        let slugs = Slugs {
            project: Some("p".to_owned()),
            spec: Some("s".to_owned()),
            runner: None,
        };
        let ended = Ended {
            job: job.clone(),
            at: at(400),
        };
        let spans = spans(&ended, &slugs);
        let parent = job.trace.expect("a parent");
        let whole = &spans[0];
        assert_eq!(whole.context.trace, parent.trace);
        assert_eq!(whole.context.parent, Some(parent.span));
        for span in &spans[1..] {
            assert_eq!(span.context.trace, parent.trace);
            assert_eq!(span.context.parent, Some(whole.context.span));
        }
        let has = |key: &str, value: &str| {
            let value = Attribute::from(value);
            assert!(
                whole
                    .attributes
                    .iter()
                    .any(|one| one.0 == key && one.1 == value),
                "{key}: {whole:?}"
            );
        };
        let runner = job.life.runner.expect("a runner").to_string();
        has("bencher.job.id", &job.id.to_string());
        has("bencher.project", "p");
        has("bencher.spec", "s");
        has("bencher.runner", &runner);
        has("bencher.job.state", "failed");
        has("bencher.job.reason", "job_failed");
        has("error.type", "job_failed");
        assert_eq!(whole.outcome, Outcome::Error("job_failed".to_owned()));
    }

    #[test]
    fn a_job_from_before_begins_a_trace() {
        let job = Job {
            trace: None,
            ..job(State::Canceled, None, [None, None, Some(400)])
        };
        let ended = Ended { job, at: at(400) };
        let spans = spans(&ended, &Slugs::default());
        assert_eq!(spans[0].context.parent, None);
        assert_eq!(spans[1].context.trace, spans[0].context.trace);
    }
}
