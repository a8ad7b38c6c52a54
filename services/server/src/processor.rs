//! Reads the results of completed jobs: completed → processed.

use std::sync::Arc;

use bencher_channel_protocol::IterationOutput;

use crate::app::{App, ended};
use crate::outputs::{Kept, OutputError};
use crate::store::{StoreError, Unprocessed};
use crate::summary::summarize;
use crate::telemetry::trace_id;

/// Jobs that are read at once.
const BATCH: u32 = 64;
/// How long others may complete in the meantime, to be read together: runners' claims wait while what was
/// read is written.
const GATHER: std::time::Duration = std::time::Duration::from_millis(100);
/// How long to wait after something failed.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

/// The summary of no iterations.
const NOTHING: &str = "[]";

#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("they are no results: {0}")]
    Json(#[from] serde_json::Error),
}

impl ReadError {
    /// Whether another attempt would end like this one.
    fn is_final(&self) -> bool {
        match self {
            Self::Output(error) => error.is_lost(),
            Self::Json(_) => true,
        }
    }
}

/// Reads results as they come, until the server ends. What was left by one that ended is read too.
pub(crate) async fn run(app: App) {
    let bus = Arc::clone(&app.bus);
    let mut shutdown = app.shutdown.clone();
    loop {
        // What a batch has not written down is read by the next server.
        let batch = tokio::select! {
            () = ended(&mut shutdown) => return,
            batch = batch(&app) => batch,
        };
        let pause = match batch {
            Ok(Batch::Read) => Some(GATHER),
            Ok(Batch::Empty) => None,
            Ok(Batch::Partly) => Some(PAUSE),
            Err(error) => {
                tracing::error!(%error, "results were not read");
                Some(PAUSE)
            }
        };
        let wake = async {
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => bus.processor.notified().await,
            }
        };
        tokio::select! {
            () = ended(&mut shutdown) => return,
            () = wake => {}
        }
    }
}

/// What became of some jobs.
enum Batch {
    /// All were read.
    Read,
    /// Some could not be read now.
    Partly,
    /// There were none.
    Empty,
}

/// Reads some. Results that are lost, or are none, are read as empty ones: no other attempt changes
/// them, and other jobs are not to wait for them.
async fn batch(app: &App) -> Result<Batch, StoreError> {
    let jobs = app.store.unprocessed(BATCH).await?;
    if jobs.is_empty() {
        return Ok(Batch::Empty);
    }
    let mut summaries = Vec::with_capacity(jobs.len());
    for Unprocessed {
        job,
        results,
        trace,
    } in &jobs
    {
        match summary(app, results.as_ref()).await {
            Ok(summary) => summaries.push((*job, summary)),
            Err(error) => {
                let trace_id = trace_id(*trace);
                tracing::error!(%job, trace_id, %error, "results were not read");
                if error.is_final() {
                    summaries.push((*job, NOTHING.to_owned()));
                }
            }
        }
    }
    let is_partly = summaries.len() < jobs.len();
    app.write(|mut transaction| async {
        let done = transaction.process(&summaries).await;
        (transaction, done)
    })
    .await?;
    Ok(if is_partly {
        Batch::Partly
    } else {
        Batch::Read
    })
}

async fn summary(app: &App, kept: Option<&Kept>) -> Result<String, ReadError> {
    let Some(kept) = kept else {
        return Ok(NOTHING.to_owned());
    };
    let bytes = app.outputs.get(kept).await?;
    let results: Vec<IterationOutput> = serde_json::from_slice(&bytes)?;
    Ok(serde_json::to_string(&summarize(&results))?)
}
