//! A runner at work: its signs of life, what its command writes, and how the job ended.

use bencher_channel_protocol::{Evidence, IterationOutput, LiveOutput, ServerMessage, Terminal};
use bencher_jobs::{JobId, Reply, Report, RunnerId, State};
use tokio::time::Instant;

use super::{End, Session};
use crate::app::App;
use crate::deletion;
use crate::evidence;
use crate::outputs::Kept;
use crate::store::{Attached, StoreError};
use crate::telemetry::{TraceParent, trace_id};

/// The longest error that is kept, in bytes.
const MAX_ERROR: usize = bencher_channel_protocol::MAX_ERROR_BYTES;

impl Session {
    pub(super) async fn sign_of_life(&mut self, report: Report) -> Result<(), End> {
        let Some(current) = &mut self.current else {
            return Ok(self.socket.send(&ServerMessage::Ack { job: None }).await?);
        };
        current.is_fresh = false;
        let is_recent = current
            .renewed
            .is_some_and(|renewed| renewed.elapsed() < self.app.settings.lease_renewal());
        let is_changed = current.followed.take_changed();
        // That it runs is written once, however often it is said.
        let is_news = report == Report::Running && !current.is_running;
        if is_recent && !is_changed && !is_news {
            return Ok(self.socket.send(&ServerMessage::Ack { job: None }).await?);
        }
        let job = current.followed.job();
        let changed = self
            .app
            .dispatcher
            .report(self.runner, job, report, Attached::default())
            .await?;
        current.trace = current.trace.or(changed.trace);
        let message = match changed.reply {
            Reply::Ack => {
                let is_active = changed.state.is_some_and(State::is_active);
                current.renewed = is_active.then(Instant::now);
                current.is_running = changed.state == Some(State::Running);
                ServerMessage::Ack { job: None }
            }
            Reply::Cancel => {
                current.renewed = None;
                ServerMessage::Cancel
            }
        };
        Ok(self.socket.send(&message).await?)
    }

    /// Shows what a job writes. That it may was said with the job, perhaps on another connection.
    pub(super) fn output(&mut self, output: &LiveOutput) {
        // Nobody speaks for another's job.
        if let Some(current) = &mut self.current
            && current.followed.job().uuid() == output.job
        {
            let live = &self.app.live;
            let job = current.followed.job();
            let writer = current.writer.get_or_insert_with(|| live.begin(job));
            writer.write(output);
        }
    }

    pub(super) async fn terminal(&mut self, terminal: Terminal) -> Result<(), End> {
        let job = JobId::from_uuid(terminal.job());
        let (report, produced, error) = match terminal {
            Terminal::Completed {
                results, evidence, ..
            } => (Report::Completed, Some((results, evidence)), None),
            Terminal::Failed {
                results,
                evidence,
                error,
                ..
            } => (Report::Failed, Some((results, evidence)), Some(cut(&error))),
            Terminal::Canceled { .. } => (Report::Canceled, None, None),
        };
        let current = self.current.as_ref();
        let known = current.filter(|one| one.followed.job() == job);
        let known = known.and_then(|one| one.trace);
        let mut attached = match produced {
            Some((results, evidence)) => {
                keep(&self.app, self.runner, job, known, &results, evidence).await?
            }
            None => Attached::default(),
        };
        attached.error = error;
        let current = self.current.take_if(|one| one.followed.job() == job);
        let writer = current.and_then(|current| current.writer);
        if let Some(writer) = &writer {
            // The end is heard of after what was written before it.
            writer.told().await;
        }
        let mut kept = attached.results.iter().chain(&attached.evidence);
        let has_object = kept.any(|kept| matches!(kept, Kept::Object(_)));
        let changed = self
            .app
            .dispatcher
            .report(self.runner, job, report, attached)
            .await?;
        tracing::info!(
            runner = %self.runner, %job, trace_id = trace_id(changed.trace.or(known)), ?report,
            state = ?changed.state, "a job's end was told"
        );
        if let Some(writer) = writer {
            writer.end();
        }
        let ack = ServerMessage::Ack {
            job: Some(job.uuid()),
        };
        self.socket.send(&ack).await?;
        if changed.state.is_none() && has_object {
            // It was deleted while its results were on their way.
            let _later = deletion::remove_in_time(&self.app, &[job]).await;
        }
        Ok(())
    }
}

/// Keeps results before their job says that it has them, and how they were measured. `known` is what is
/// known of its trace.
async fn keep(
    app: &App,
    sender: RunnerId,
    job: JobId,
    known: Option<TraceParent>,
    results: &[IterationOutput],
    evidence: Option<Evidence>,
) -> Result<Attached, End> {
    let unwritten = |error: &dyn std::fmt::Display, trace| {
        tracing::error!(%job, trace_id = trace_id(trace), %error, "results were not kept");
        End::Unwritten
    };
    // Those of a job that is not this runner's, or that does not take them any more, are kept nowhere.
    let trace = match app.store.job(job).await {
        Ok(found) if found.life.takes_results(sender) => found.trace,
        Ok(_) | Err(StoreError::NotFound { .. }) => return Ok(Attached::default()),
        Err(error) => return Err(unwritten(&error, known)),
    };
    let text = serde_json::to_string(results)
        .map_err(|error| End::Nonsense(format!("the results can not be written: {error}")))?;
    let put = async |text| {
        let kept = app.outputs.put(job, text).await;
        kept.map_err(|error| unwritten(&error, trace))
    };
    let (evidence, measured) = evidence.and_then(|it| read(it, sender, job, trace)).unzip();
    // At once: the runner waits for the acknowledgement of both.
    let put_evidence = async {
        match evidence {
            Some(evidence) => put(evidence).await.map(Some),
            None => Ok(None),
        }
    };
    let (results, evidence) = tokio::try_join!(put(text), put_evidence)?;
    Ok(Attached {
        results: Some(results),
        evidence,
        measured: measured.flatten(),
        error: None,
    })
}

/// Evidence, and what people are told of it at a glance; nothing, where it is none.
fn read(
    evidence: Evidence,
    sender: RunnerId,
    job: JobId,
    trace: Option<TraceParent>,
) -> Option<(String, Option<String>)> {
    let unkept = |reason: &dyn std::fmt::Display| {
        tracing::warn!(%job, trace_id = trace_id(trace), runner = %sender, %reason, "how it was measured is not kept");
    };
    evidence.check().inspect_err(|error| unkept(error)).ok()?;
    let text = evidence.into_text();
    let Some(found) = evidence::Evidence::read(text.as_bytes()) else {
        unkept(&"it is no result document");
        return None;
    };
    let measured = found.measured();
    let measured = measured.and_then(|it| serde_json::to_string(&it).ok());
    Some((text, measured))
}

/// As much of an error as is kept. PostgreSQL knows no NUL.
fn cut(error: &str) -> String {
    let mut error = error.replace('\0', "\u{fffd}");
    let mut end = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(end) {
        end -= 1;
    }
    error.truncate(end);
    error
}
