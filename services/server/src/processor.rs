//! Reads the results of completed jobs: completed → processed.

use std::sync::Arc;

use bencher_channel_protocol::IterationOutput;

use crate::app::{App, ended};
use crate::outputs::OutputError;
use crate::store::{Job, StoreError};
use crate::summary::summarize;

/// Jobs that are read at once.
const BATCH: u32 = 64;
/// How long to wait after something failed.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("the results can not be read: {0}")]
    Json(#[from] serde_json::Error),
}

/// Reads results as they come, until the server ends. What was left by one that ended is read too.
pub(crate) async fn run(app: App) {
    let bus = Arc::clone(&app.bus);
    let mut shutdown = app.shutdown.clone();
    loop {
        let pause = match batch(&app).await {
            Ok(true) => continue,
            Ok(false) => None,
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

/// Reads some, and says whether there were any.
async fn batch(app: &App) -> Result<bool, ProcessError> {
    let jobs = app.store.unprocessed(BATCH).await?;
    if jobs.is_empty() {
        return Ok(false);
    }
    let mut summaries = Vec::with_capacity(jobs.len());
    for job in &jobs {
        summaries.push((job.id, summary(app, job).await?));
    }
    let mut transaction = app.store.begin().await?;
    for (job, summary) in summaries {
        transaction.process(job, &summary).await?;
    }
    app.bus.publish(&transaction.commit().await?);
    Ok(true)
}

async fn summary(app: &App, job: &Job) -> Result<String, ProcessError> {
    let Some(kept) = &job.results else {
        return Ok("[]".to_owned());
    };
    let bytes = app.outputs.get(kept).await?;
    let results: Vec<IterationOutput> = serde_json::from_slice(&bytes)?;
    Ok(serde_json::to_string(&summarize(&results))?)
}
