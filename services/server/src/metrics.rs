//! Numbers for Prometheus, in its text format (version 0.0.4).

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use bencher_jobs::{Report, State};

use crate::deletion::Cause;

/// Upper bounds of how long claims take, in milliseconds.
const BOUNDS: [u64; 10] = [1, 5, 10, 25, 50, 100, 250, 1000, 10_000, 60_000];

/// What has happened on this server since it started.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    waiting: AtomicUsize,
    claims: [AtomicU64; BOUNDS.len()],
    claims_total: AtomicU64,
    claims_milliseconds: AtomicU64,
    reports: [AtomicU64; 5],
    deleted: [AtomicU64; Cause::ALL.len()],
    refused: AtomicU64,
    limited: AtomicU64,
}

/// What the database and the bus know, for [`Metrics::text`].
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Connections of runners.
    pub connected: usize,
    /// Those who watch jobs.
    pub watchers: usize,
    /// Jobs in each state, of all servers.
    pub states: Vec<(State, u64)>,
}

const fn event(report: Report) -> (usize, &'static str) {
    match report {
        Report::Heartbeat => (0, "heartbeat"),
        Report::Running => (1, "running"),
        Report::Completed => (2, "completed"),
        Report::Failed => (3, "failed"),
        Report::Canceled => (4, "canceled"),
    }
}

impl Metrics {
    pub(crate) fn set_waiting(&self, count: usize) {
        self.waiting.store(count, Relaxed);
    }

    /// A job was claimed so long after both it and its runner were there.
    pub(crate) fn count_claim(&self, waited: Duration) {
        let milliseconds = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        for (bound, count) in BOUNDS.iter().zip(&self.claims) {
            if milliseconds <= *bound {
                count.fetch_add(1, Relaxed);
            }
        }
        self.claims_total.fetch_add(1, Relaxed);
        self.claims_milliseconds.fetch_add(milliseconds, Relaxed);
    }

    pub(crate) fn count_report(&self, report: Report) {
        self.reports[event(report).0].fetch_add(1, Relaxed);
    }

    /// So many jobs were deleted.
    pub(crate) fn count_deleted(&self, cause: Cause, jobs: usize) {
        let jobs = u64::try_from(jobs).unwrap_or(u64::MAX);
        self.deleted[cause as usize].fetch_add(jobs, Relaxed);
    }

    /// A key or a token was not good.
    pub(crate) fn count_refused(&self) {
        self.refused.fetch_add(1, Relaxed);
    }

    /// Somebody asked too often.
    pub(crate) fn count_limited(&self) {
        self.limited.fetch_add(1, Relaxed);
    }

    /// All of it.
    pub(crate) fn text(&self, seen: &Seen) -> String {
        let mut text = String::new();
        let head = |text: &mut String, name: &str, kind: &str, help: &str| {
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        };
        let name = "bencher_runners_connected";
        head(
            &mut text,
            name,
            "gauge",
            "Runners connected to this server.",
        );
        let _ = writeln!(text, "{name} {}", seen.connected);
        let name = "bencher_watchers";
        let help = "Those who watch jobs at this server.";
        head(&mut text, name, "gauge", help);
        let _ = writeln!(text, "{name} {}", seen.watchers);
        let name = "bencher_runners_waiting";
        head(
            &mut text,
            name,
            "gauge",
            "Runners that wait for a job here.",
        );
        let _ = writeln!(text, "{name} {}", self.waiting.load(Relaxed));
        let name = "bencher_jobs";
        head(&mut text, name, "gauge", "Jobs by state, of all servers.");
        for state in State::ALL {
            let count = seen.states.iter().find(|(known, _)| known == state);
            let count = count.map_or(0, |(_, count)| *count);
            let _ = writeln!(text, "{name}{{state=\"{state}\"}} {count}");
        }
        let name = "bencher_claim_seconds";
        head(
            &mut text,
            name,
            "histogram",
            "From the moment that a job and a runner for it are there to the claim.",
        );
        for (bound, count) in BOUNDS.iter().zip(&self.claims) {
            #[expect(clippy::cast_precision_loss, reason = "at most a minute")]
            let bound = *bound as f64 / 1000.0;
            let count = count.load(Relaxed);
            let _ = writeln!(text, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let total = self.claims_total.load(Relaxed);
        #[expect(clippy::cast_precision_loss, reason = "it is shown in seconds")]
        let sum = self.claims_milliseconds.load(Relaxed) as f64 / 1000.0;
        let _ = writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {total}");
        let _ = writeln!(text, "{name}_sum {sum}\n{name}_count {total}");
        let name = "bencher_reports_total";
        head(
            &mut text,
            name,
            "counter",
            "What runners reported, where it was written down.",
        );
        for report in [
            Report::Heartbeat,
            Report::Running,
            Report::Completed,
            Report::Failed,
            Report::Canceled,
        ] {
            let (place, event) = event(report);
            let count = self.reports[place].load(Relaxed);
            let _ = writeln!(text, "{name}{{event=\"{event}\"}} {count}");
        }
        let name = "bencher_jobs_deleted_total";
        let help =
            "Jobs that were deleted here, because somebody asked for it or because they were old.";
        head(&mut text, name, "counter", help);
        for (cause, count) in Cause::ALL.iter().zip(&self.deleted) {
            let (cause, count) = (cause.name(), count.load(Relaxed));
            let _ = writeln!(text, "{name}{{cause=\"{cause}\"}} {count}");
        }
        for (name, count, help) in [
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
        ] {
            head(&mut text, name, "counter", help);
            let _ = writeln!(text, "{name} {}", count.load(Relaxed));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown() {
        let metrics = Metrics::default();
        metrics.set_waiting(3);
        for milliseconds in [0, 7, 70_000] {
            metrics.count_claim(Duration::from_millis(milliseconds));
        }
        metrics.count_report(Report::Completed);
        metrics.count_deleted(Cause::Age, 5);
        metrics.count_refused();
        metrics.count_limited();
        let text = metrics.text(&Seen {
            connected: 4,
            watchers: 2,
            states: vec![(State::Pending, 9)],
        });
        for line in [
            "bencher_runners_connected 4",
            "bencher_watchers 2",
            "bencher_runners_waiting 3",
            "bencher_jobs{state=\"pending\"} 9",
            "bencher_jobs{state=\"failed\"} 0",
            "bencher_claim_seconds_bucket{le=\"0.001\"} 1",
            "bencher_claim_seconds_bucket{le=\"0.01\"} 2",
            "bencher_claim_seconds_bucket{le=\"60\"} 2",
            "bencher_claim_seconds_bucket{le=\"+Inf\"} 3",
            "bencher_claim_seconds_sum 70.007",
            "bencher_reports_total{event=\"completed\"} 1",
            "bencher_reports_total{event=\"failed\"} 0",
            "bencher_jobs_deleted_total{cause=\"request\"} 0",
            "bencher_jobs_deleted_total{cause=\"age\"} 5",
            "bencher_refused_total 1",
            "bencher_rate_limited_total 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
