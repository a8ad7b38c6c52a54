//! Numbers for Prometheus.
//!
//! | numbers of | how to put several servers' together |
//! |---|---|
//! | what happened at this server since it started: counters and histograms | add them |
//! | what is at this server now: connections | add them |
//! | the database, which all servers share: [`Numbers`] | take the greatest: each server gives the same |
//!
//! No label is anything that people name: whoever reads the numbers needs no token.

mod histogram;
mod jobs;
mod requests;
mod text;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use axum::http::Method;
use bencher_jobs::{Life, Report, State, Timestamp};

use crate::counted::Numbers;
use crate::deletion::Cause;
use crate::outputs::StorageOperation;
use crate::store::{Job, Operation};
use histogram::Histogram;
use jobs::Jobs;
use requests::Requests;
use text::{Family, Kind};

/// Upper bounds of how long claims take, in seconds.
const CLAIM: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0, 60.0];

/// All that runners report.
const REPORTS: [(Report, &str); 5] = [
    (Report::Heartbeat, "heartbeat"),
    (Report::Running, "running"),
    (Report::Completed, "completed"),
    (Report::Failed, "failed"),
    (Report::Canceled, "canceled"),
];

/// What has happened on this server since it started.
#[derive(Debug)]
pub(crate) struct Metrics {
    waiting: AtomicUsize,
    claims: Histogram,
    jobs: Jobs,
    requests: Requests,
    reports: [AtomicU64; REPORTS.len()],
    deleted: [AtomicU64; Cause::ALL.len()],
    database: [AtomicU64; Operation::ALL.len()],
    conflicts: AtomicU64,
    storage: [AtomicU64; StorageOperation::ALL.len()],
    refused: AtomicU64,
    limited: AtomicU64,
    dropped_spans: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            waiting: AtomicUsize::default(),
            claims: Histogram::new(CLAIM),
            jobs: Jobs::default(),
            requests: Requests::default(),
            reports: Default::default(),
            deleted: Default::default(),
            database: Default::default(),
            conflicts: AtomicU64::default(),
            storage: Default::default(),
            refused: AtomicU64::default(),
            limited: AtomicU64::default(),
            dropped_spans: AtomicU64::default(),
        }
    }
}

/// What the bus and the database know, for [`Metrics::text`].
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections of runners.
    pub connected: usize,
    /// Those who watch jobs.
    pub watchers: usize,
    /// Numbers of the database; nothing if it did not answer.
    pub database: Option<Numbers>,
}

fn add(counter: &AtomicU64, count: usize) {
    counter.fetch_add(u64::try_from(count).unwrap_or(u64::MAX), Relaxed);
}

impl Metrics {
    pub(crate) fn set_waiting(&self, count: usize) {
        self.waiting.store(count, Relaxed);
    }

    /// A job was claimed so long after both it and its runner were there.
    pub(crate) fn count_claim(&self, waited: Duration) {
        self.claims.add(waited);
    }

    pub(crate) fn count_report(&self, report: Report) {
        for ((known, _), count) in REPORTS.iter().zip(&self.reports) {
            if *known == report {
                add(count, 1);
            }
        }
    }

    /// A job was submitted.
    pub(crate) fn count_submitted(&self) {
        self.jobs.submit();
    }

    /// `job`'s life is `next` from now on.
    pub(crate) fn count_change(&self, job: &Job, next: &Life) {
        self.jobs.change(job, next);
    }

    /// So many jobs were deleted.
    pub(crate) fn count_deleted(&self, cause: Cause, jobs: usize) {
        add(&self.deleted[cause as usize], jobs);
    }

    /// A request was answered after such a time. `route` is the pattern of its path.
    pub(crate) fn count_request(&self, method: &Method, route: &str, status: u16, took: Duration) {
        self.requests.add(method, route, status, took);
    }

    /// The database failed, or did not answer in time.
    pub(crate) fn count_database_error(&self, operation: Operation) {
        add(&self.database[operation as usize], 1);
    }

    /// Two changes met, and one of them was made anew.
    pub(crate) fn count_conflict(&self) {
        add(&self.conflicts, 1);
    }

    /// The storage of outputs failed, or did not answer in time.
    pub(crate) fn count_storage_error(&self, operation: StorageOperation) {
        add(&self.storage[operation as usize], 1);
    }

    /// A key or a token was not good.
    pub(crate) fn count_refused(&self) {
        add(&self.refused, 1);
    }

    /// Somebody asked too often.
    pub(crate) fn count_limited(&self) {
        add(&self.limited, 1);
    }

    /// The collector was not told of so many spans.
    pub(crate) fn count_dropped_spans(&self, spans: usize) {
        add(&self.dropped_spans, spans);
    }

    /// All of it.
    pub(crate) fn text(&self, seen: &Seen, now: Timestamp) -> String {
        let mut text = String::new();
        let name = "bencher_build_info";
        let help = "Always 1; the labels say what runs here.";
        let labels = [("version", env!("CARGO_PKG_VERSION"))];
        Family::new(&mut text, name, Kind::Gauge, help).add(&labels, 1);
        for (name, count, help) in [
            (
                "bencher_runners_connected",
                seen.connected,
                "Runners connected to this server.",
            ),
            (
                "bencher_runners_waiting",
                self.waiting.load(Relaxed),
                "Runners that wait for a job here.",
            ),
            (
                "bencher_watchers",
                seen.watchers,
                "Those who watch jobs at this server.",
            ),
        ] {
            Family::new(&mut text, name, Kind::Gauge, help).add(&[], count);
        }
        write_database(&mut text, seen.database.as_ref(), now);
        self.jobs.write(&mut text);
        let name = "bencher_claim_seconds";
        let help = "From the moment that a job and a runner for it are there to the claim.";
        Family::new(&mut text, name, Kind::Histogram, help).add_histogram(&[], &self.claims);
        self.write_counters(&mut text);
        self.requests.write(&mut text);
        text
    }

    fn write_counters(&self, text: &mut String) {
        fn write<'a>(
            text: &mut String,
            (name, label, help): (&'static str, &str, &str),
            counts: impl Iterator<Item = (&'a str, &'a AtomicU64)>,
        ) {
            let mut family = Family::new(text, name, Kind::Counter, help);
            for (value, count) in counts {
                family.add(&[(label, value)], count.load(Relaxed));
            }
        }
        let head = (
            "bencher_reports_total",
            "event",
            "What runners reported, where it was written down.",
        );
        let names = REPORTS.iter().map(|(_, name)| *name);
        write(text, head, names.zip(&self.reports));
        let head = (
            "bencher_jobs_deleted_total",
            "cause",
            "Jobs that were deleted here, because somebody asked for it or because they were old.",
        );
        let names = Cause::ALL.iter().map(|cause| cause.name());
        write(text, head, names.zip(&self.deleted));
        let head = (
            "bencher_database_errors_total",
            "operation",
            "What the database did not do, or not in time.",
        );
        let names = Operation::ALL.iter().map(|operation| operation.name());
        write(text, head, names.zip(&self.database));
        let head = (
            "bencher_storage_errors_total",
            "operation",
            "What the storage of outputs did not do, or not in time.",
        );
        let names = StorageOperation::ALL
            .iter()
            .map(|operation| operation.name());
        write(text, head, names.zip(&self.storage));
        for (name, count, help) in [
            (
                "bencher_database_conflicts_total",
                &self.conflicts,
                "Changes that met others' in the database, and were made anew.",
            ),
            (
                "bencher_refused_total",
                &self.refused,
                "Keys and tokens that were not good.",
            ),
            (
                "bencher_rate_limited_total",
                &self.limited,
                "Requests that came too often.",
            ),
            (
                "bencher_spans_dropped_total",
                &self.dropped_spans,
                "Spans that the OpenTelemetry collector was not told of.",
            ),
        ] {
            Family::new(text, name, Kind::Counter, help).add(&[], count.load(Relaxed));
        }
    }
}

/// Numbers of the database. Where it does not answer there are none: others would be wrong.
fn write_database(text: &mut String, numbers: Option<&Numbers>, now: Timestamp) {
    let name = "bencher_database_up";
    let help = "Whether the database answered when its jobs were counted last.";
    let is_up = u8::from(numbers.is_some());
    Family::new(text, name, Kind::Gauge, help).add(&[], is_up);
    let Some(numbers) = numbers else {
        return;
    };
    let name = "bencher_jobs";
    let help = "Jobs in the database by state. Every server of a database gives the same: take the max over \
                servers, never the sum.";
    let mut family = Family::new(text, name, Kind::Gauge, help);
    for state in State::ALL {
        let count = numbers.states.iter().find(|(known, _)| known == state);
        let count = count.map_or(0, |(_, count)| *count);
        family.add(&[("state", state.name())], count);
    }
    let name = "bencher_oldest_waiting_job_age_seconds";
    let help = "How long the oldest job in the database has waited, 0 if none does, by whether a runner that \
                could take it is connected. Every server of a database gives the same: take the max over servers.";
    let mut family = Family::new(text, name, Kind::Gauge, help);
    for (runner, oldest) in [
        ("connected", numbers.oldest.with_runner),
        ("none", numbers.oldest.without_runner),
    ] {
        let age = oldest.map_or(Duration::ZERO, |created| now.since(created));
        family.add(&[("runner", runner)], age.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Oldest;

    #[test]
    fn counts_are_shown() {
        let metrics = Metrics::default();
        metrics.set_waiting(3);
        for milliseconds in [0, 7, 70_000] {
            metrics.count_claim(Duration::from_millis(milliseconds));
        }
        metrics.count_report(Report::Completed);
        metrics.count_deleted(Cause::Age, 5);
        metrics.count_database_error(Operation::Write);
        metrics.count_conflict();
        metrics.count_storage_error(StorageOperation::List);
        metrics.count_refused();
        metrics.count_limited();
        metrics.count_dropped_spans(6);
        let at = Timestamp::from_milliseconds;
        let oldest = Oldest {
            with_runner: None,
            without_runner: Some(at(1000)),
        };
        let mut seen = Seen {
            connected: 4,
            watchers: 2,
            database: Some(Numbers {
                states: vec![(State::Pending, 9)],
                oldest,
            }),
        };
        let text = metrics.text(&seen, at(3500));
        let has = |text: &str, line: &str| text.lines().any(|found| found == line);
        for line in [
            "bencher_runners_connected 4",
            "bencher_watchers 2",
            "bencher_runners_waiting 3",
            "bencher_database_up 1",
            "bencher_jobs{state=\"pending\"} 9",
            "bencher_jobs{state=\"failed\"} 0",
            "bencher_oldest_waiting_job_age_seconds{runner=\"connected\"} 0",
            "bencher_oldest_waiting_job_age_seconds{runner=\"none\"} 2.5",
            "bencher_claim_seconds_bucket{le=\"0.001\"} 1",
            "bencher_claim_seconds_bucket{le=\"0.01\"} 2",
            "bencher_claim_seconds_bucket{le=\"60\"} 2",
            "bencher_claim_seconds_bucket{le=\"+Inf\"} 3",
            "bencher_claim_seconds_sum 70.007",
            "bencher_reports_total{event=\"completed\"} 1",
            "bencher_reports_total{event=\"failed\"} 0",
            "bencher_jobs_deleted_total{cause=\"request\"} 0",
            "bencher_jobs_deleted_total{cause=\"age\"} 5",
            "bencher_database_errors_total{operation=\"read\"} 0",
            "bencher_database_errors_total{operation=\"write\"} 1",
            "bencher_database_conflicts_total 1",
            "bencher_storage_errors_total{operation=\"list\"} 1",
            "bencher_refused_total 1",
            "bencher_rate_limited_total 1",
            "bencher_spans_dropped_total 6",
        ] {
            assert!(has(&text, line), "{line} in {text}");
        }
        seen.database = None;
        let text = metrics.text(&seen, at(3500));
        assert!(has(&text, "bencher_database_up 0"), "{text}");
        assert!(!text.contains("bencher_jobs{"), "{text}");
    }
}
