//! What became of jobs.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bencher_jobs::{Life, Reason, State};

use super::histogram::Histogram;
use super::text::{Family, Kind};
use crate::store::Job;

/// Upper bounds of how long jobs wait, are prepared and run, in seconds: to a day, the longest time-out.
const BOUNDS: &[f64] = &[
    0.1, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0,
];
/// How a job that ran may end.
const OUTCOMES: [State; 3] = [State::Completed, State::Failed, State::Canceled];

/// What has become of jobs here.
#[derive(Debug)]
pub(super) struct Jobs {
    submitted: AtomicU64,
    completed: AtomicU64,
    /// For each reason.
    ended: [AtomicU64; Reason::ALL.len()],
    waiting: Histogram,
    setup: Histogram,
    run: [Histogram; OUTCOMES.len()],
}

impl Default for Jobs {
    fn default() -> Self {
        let histogram = || Histogram::new(BOUNDS);
        Self {
            submitted: AtomicU64::default(),
            completed: AtomicU64::default(),
            ended: Default::default(),
            waiting: histogram(),
            setup: histogram(),
            run: [histogram(), histogram(), histogram()],
        }
    }
}

impl Jobs {
    pub(super) fn submit(&self) {
        self.submitted.fetch_add(1, Relaxed);
    }

    /// `job`'s life is `next` from now on.
    pub(super) fn change(&self, job: &Job, next: &Life) {
        match next.state {
            State::Pending | State::Processed => {}
            State::Claimed => {
                if let Some(claimed) = next.claimed {
                    self.waiting.add(claimed.since(job.created));
                }
            }
            State::Running => {
                if let (Some(claimed), Some(started)) = (next.claimed, next.started) {
                    self.setup.add(started.since(claimed));
                }
            }
            State::Completed | State::Failed | State::Canceled => self.end(next),
        }
    }

    fn end(&self, life: &Life) {
        if life.state == State::Completed {
            self.completed.fetch_add(1, Relaxed);
        }
        let reason = Reason::ALL
            .iter()
            .position(|reason| Some(*reason) == life.reason);
        if let Some(place) = reason {
            self.ended[place].fetch_add(1, Relaxed);
        }
        let outcome = OUTCOMES.iter().position(|state| *state == life.state);
        if let (Some(place), Some(started), Some(ended)) = (outcome, life.started, life.ended) {
            self.run[place].add(ended.since(started));
        }
    }

    pub(super) fn write(&self, text: &mut String) {
        let name = "bencher_jobs_submitted_total";
        let mut family = Family::new(text, name, Kind::Counter, "Jobs that were submitted here.");
        family.add(&[], self.submitted.load(Relaxed));
        let name = "bencher_jobs_completed_total";
        let help = "Jobs whose results came in here, those among them that had failed by silence.";
        let mut family = Family::new(text, name, Kind::Counter, help);
        family.add(&[], self.completed.load(Relaxed));
        for (name, is_canceled, help) in [
            (
                "bencher_jobs_failed_total",
                false,
                "Jobs that failed, where it was written down, by why.",
            ),
            (
                "bencher_jobs_canceled_total",
                true,
                "Jobs that were canceled, where it was written down, by whom.",
            ),
        ] {
            let mut family = Family::new(text, name, Kind::Counter, help);
            for (reason, count) in Reason::ALL.iter().zip(&self.ended) {
                if reason.is_cancellation() == is_canceled {
                    family.add(&[("reason", reason.name())], count.load(Relaxed));
                }
            }
        }
        for (name, histogram, help) in [
            (
                "bencher_job_waiting_seconds",
                &self.waiting,
                "From a job's submission to its claim.",
            ),
            (
                "bencher_job_setup_seconds",
                &self.setup,
                "From a job's claim to the beginning of its command.",
            ),
        ] {
            Family::new(text, name, Kind::Histogram, help).add_histogram(&[], histogram);
        }
        let name = "bencher_job_run_seconds";
        let help = "From the beginning of a job's command to its end, by how it ended.";
        let mut family = Family::new(text, name, Kind::Histogram, help);
        for (outcome, histogram) in OUTCOMES.iter().zip(&self.run) {
            family.add_histogram(&[("outcome", outcome.name())], histogram);
        }
    }
}
