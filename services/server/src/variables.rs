//! Variables of jobs: their values may be secrets, so they are kept only encrypted.
//!
//! All of a job's are sealed at once, with their names, and for that job: moved to another one they can
//! not be opened.

use std::collections::BTreeMap;
use std::time::Duration;

use bencher_jobs::JobId;
use serde_json::Value;
use tokio::sync::watch;

use crate::app::{App, ended};
use crate::seal::{SealError, Sealer};
use crate::store::{KeptConfig, Store, StoreError};

/// Where a job's variables are.
const FIELD: &str = "env";
/// Jobs whose variables are sealed at once, of those that were submitted before any were.
const BATCH: u32 = 64;
/// How long the database is left to others between two batches.
const BETWEEN: Duration = Duration::from_millis(20);
/// How long to wait after something failed.
const PAUSE: Duration = Duration::from_secs(5);

/// They can not be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "the values of the job's variables can not be decrypted: they were encrypted with another key of \
     secrets; submit the job anew"
)]
pub(crate) struct Unreadable;

/// What a job runs, with its variables apart.
pub(crate) struct Parted {
    text: String,
    variables: Option<String>,
}

impl Parted {
    /// Of `config`, as the runner gets it.
    pub(crate) fn from(mut config: Value) -> Self {
        let found = config.get_mut(FIELD).and_then(Value::as_object_mut);
        let variables = found.filter(|found| !found.is_empty()).map(|found| {
            let text = Value::Object(found.clone()).to_string();
            // Their names are shown to all who see the job.
            for value in found.values_mut() {
                *value = String::new().into();
            }
            text
        });
        Self {
            text: config.to_string(),
            variables,
        }
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> usize {
        self.text.len() + self.variables.as_ref().map_or(0, String::len)
    }

    /// As it may be kept for `job`.
    ///
    /// # Errors
    ///
    /// When it can not be encrypted.
    pub(crate) fn seal(&self, sealer: &Sealer, job: JobId) -> Result<KeptConfig, SealError> {
        let seal = |variables: &String| sealer.seal(&name(job), variables);
        Ok(KeptConfig {
            text: self.text.clone(),
            sealed: self.variables.as_ref().map(seal).transpose()?,
        })
    }
}

/// What variables of `job` are sealed for: the name of no registry.
fn name(job: JobId) -> String {
    format!("variables of {job}")
}

/// The variables of `job`, if they are sealed.
///
/// # Errors
///
/// When they were sealed with another key or for another job, or changed.
pub(crate) fn open(
    sealer: &Sealer,
    job: JobId,
    config: &KeptConfig,
) -> Result<Option<BTreeMap<String, String>>, Unreadable> {
    let Some(values) = &config.sealed else {
        return Ok(None);
    };
    let text = sealer.unseal(&name(job), values).map_err(|_| Unreadable)?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|_| Unreadable)
}

/// Why they are not sealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SealingError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// They can not be encrypted.
    #[error(transparent)]
    Seal(#[from] SealError),
}

/// Seals what was submitted to servers that did not seal variables, makes sure that the database's log does not
/// hold them any more, and ends.
pub(crate) async fn run(app: App) {
    let mut shutdown = app.shutdown.clone();
    loop {
        // What is not done then is done by the next server.
        let done = tokio::select! {
            () = ended(&mut shutdown) => return,
            done = seal_old(&app.store, &app.sealer) => done,
        };
        match done {
            Ok(jobs) => {
                if jobs > 0 {
                    tracing::info!(jobs, "variables of jobs from before were sealed");
                }
                break;
            }
            Err(error) => {
                tracing::error!(%error, "variables of jobs from before were not all sealed");
            }
        }
        if pause(&mut shutdown).await {
            return;
        }
    }
    // At each start: a server that was killed may have sealed something just before.
    loop {
        match app.store.empty_log().await {
            Ok(true) => return,
            Ok(false) => {
                tracing::info!("the database's log is read, and is emptied later");
            }
            Err(error) => {
                tracing::error!(%error, "the database's log was not emptied: it may hold what was sealed");
            }
        }
        if pause(&mut shutdown).await {
            return;
        }
    }
}

/// Waits before something is tried again; says whether the server is to end.
async fn pause(shutdown: &mut watch::Receiver<bool>) -> bool {
    tokio::select! {
        () = ended(shutdown) => true,
        () = tokio::time::sleep(PAUSE) => false,
    }
}

/// Seals variables that are kept as they are, and says of how many jobs. Other servers may do the same.
pub(crate) async fn seal_old(store: &Store, sealer: &Sealer) -> Result<u64, SealingError> {
    let mut count = 0;
    loop {
        let plain = store.plain_configs(BATCH).await?;
        if plain.is_empty() {
            return Ok(count);
        }
        let mut configs = Vec::with_capacity(plain.len());
        for (job, text) in plain {
            configs.push((job, sealed_text(sealer, job, text)?));
        }
        let (more, _) = store
            .write(|mut transaction| async {
                let done = transaction.seal_configs(&configs).await;
                (transaction, done)
            })
            .await?;
        count += more;
        tokio::time::sleep(BETWEEN).await;
    }
}

fn sealed_text(sealer: &Sealer, job: JobId, text: String) -> Result<KeptConfig, SealError> {
    match serde_json::from_str(&text) {
        Ok(config) => Parted::from(config).seal(sealer, job),
        Err(error) => {
            // It can not be run either.
            tracing::error!(%job, %error, "what the job runs can not be read: it stays as it is");
            Ok(KeptConfig { text, sealed: None })
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn variables_are_a_jobs_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::open(&folder.path().join("key")).expect("a key");
        let (one, other) = (JobId::generate(), JobId::generate());
        let config = json!({"cmd": ["x"], "env": {"A": "secret-1", "B": "secret-2"}});
        let kept = Parted::from(config).seal(&sealer, one).expect("sealed");
        assert_eq!(kept.text, r#"{"cmd":["x"],"env":{"A":"","B":""}}"#);
        let opened = open(&sealer, one, &kept).expect("its own");
        let expected = [("A", "secret-1"), ("B", "secret-2")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(opened, Some(BTreeMap::from(expected)));
        open(&sealer, other, &kept).expect_err("another job's");
    }

    #[test]
    fn where_there_are_none_nothing_is_sealed() {
        let folder = tempfile::tempdir().expect("a folder");
        let sealer = Sealer::open(&folder.path().join("key")).expect("a key");
        let job = JobId::generate();
        for config in [json!({}), json!({"env": null}), json!({"env": {}})] {
            let text = config.to_string();
            let kept = Parted::from(config).seal(&sealer, job).expect("kept");
            assert_eq!((kept.text, kept.sealed), (text, None));
        }
    }
}
