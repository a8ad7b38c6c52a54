//! What becomes of jobs is told in the log, in the numbers, and as spans: here, once it is true, for whatever
//! reason it became so.

use std::sync::Arc;

use bencher_jobs::{Life, Reason, State, Timestamp};
use tracing::field::display;

use crate::bus::Bus;
use crate::metrics::Metrics;
use crate::store::{Job, Observer, Operation, Signal, Turn};
use crate::telemetry::{Ended, JobSpans, trace_id};

/// Who tells.
#[derive(Debug)]
pub(crate) struct Witness {
    /// Who waits for it on this server.
    bus: Arc<Bus>,
    metrics: Arc<Metrics>,
    /// Where jobs go that are over, if anybody wants to know.
    spans: Option<JobSpans>,
}

impl Witness {
    pub(crate) fn new(bus: &Arc<Bus>, metrics: &Arc<Metrics>, spans: Option<JobSpans>) -> Self {
        Self {
            bus: Arc::clone(bus),
            metrics: Arc::clone(metrics),
            spans,
        }
    }

    fn change(&self, job: &Job, next: &Life, at: Timestamp) {
        let trace_id = job.trace_id();
        let (from, state) = (job.life.state, next.state);
        let reason = next.reason.map(Reason::name);
        let runner = next.runner.map(display);
        if state == State::Failed {
            tracing::warn!(job = %job.id, trace_id, %from, %state, reason, runner, "a job has failed");
        } else {
            tracing::info!(job = %job.id, trace_id, %from, %state, reason, runner, "a job goes on");
        }
        self.metrics.count_change(job, next);
        // What a completed one holds is yet to be read.
        let is_over = matches!(state, State::Processed | State::Failed | State::Canceled);
        if let Some(spans) = self.spans.as_ref().filter(|_| is_over) {
            let job = Job {
                life: next.clone(),
                ..job.clone()
            };
            spans.tell(Ended { job, at });
        }
    }
}

impl Observer for Witness {
    fn turned(&self, turns: &[Turn]) {
        for turn in turns {
            match turn {
                Turn::Submitted { job, trace } => {
                    tracing::info!(%job, trace_id = trace_id(*trace), "a job was submitted");
                    self.metrics.count_submitted();
                }
                Turn::Changed { job, next, at } => self.change(job, next, *at),
                Turn::Deleted { job, trace } => {
                    tracing::info!(%job, trace_id = trace_id(*trace), "a job was deleted");
                }
            }
        }
    }

    fn signaled(&self, signals: &[Signal]) {
        self.bus.publish(signals);
    }

    fn failed(&self, operation: Operation) {
        self.metrics.count_database_error(operation);
    }

    fn met(&self) {
        self.metrics.count_conflict();
    }
}
