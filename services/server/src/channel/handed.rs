//! A claimed job in the words of the protocol.

use std::borrow::Cow;
use std::time::Duration;

use bencher_channel_protocol::{Architecture, Job, JobConfig, JobSpec, Os, Ready, SandboxKind};
use serde::de::DeserializeOwned;

use crate::app::App;
use crate::registry::TokenError;
use crate::store::{Handed, StoreError};
use crate::time::rfc3339;
use crate::variables::{self, Unreadable};

/// Why a job can not be handed over.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandError {
    /// What the database holds is of another version.
    #[error("the job's {field} can not be read: {cause}")]
    Field {
        field: &'static str,
        cause: serde_json::Error,
    },
    /// It can not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its variables can not be opened.
    #[error(transparent)]
    Variables(#[from] Unreadable),
    /// No token for its image.
    #[error("there is no token for the job's image: {0}")]
    Token(#[from] TokenError),
}

/// What becomes of a job that can not be handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It fails: nothing changes by itself.
    Fails,
    /// It waits, and others come before it for so long.
    Waits(Duration),
    /// The database can not be asked, so it is the runner's, who gets it once more when it is back.
    Stays,
}

impl HandError {
    pub(super) fn fate(&self) -> Fate {
        match self {
            Self::Token(TokenError::Away(away)) => Fate::Waits(away.left),
            Self::Store(error) | Self::Token(TokenError::Store(error)) if error.is_fault() => {
                Fate::Stays
            }
            _ => Fate::Fails,
        }
    }
}

/// What a runner knows beyond the protocol's first version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Extensions {
    pub(super) live_output: bool,
    pub(super) evidence: bool,
}

impl Extensions {
    /// What it says that it knows.
    pub(super) fn of(ready: &Ready) -> Self {
        Self {
            live_output: ready.has_live_output(),
            evidence: ready.evidence,
        }
    }
}

/// The message's content, for a runner that knows `extensions`.
pub(super) async fn job(
    app: &App,
    handed: &Handed,
    extensions: Extensions,
) -> Result<Job, HandError> {
    let kept = match &handed.config {
        Some(config) => Cow::Borrowed(config),
        None => Cow::Owned(app.store.config(handed.job.id).await?),
    };
    let mut config: JobConfig =
        serde_json::from_str(&kept.text).map_err(|cause| HandError::Field {
            field: "config",
            cause,
        })?;
    if let Some(variables) = variables::open(&app.sealer, handed.job.id, &kept)? {
        config.env = Some(variables);
    }
    let oci_token = app.tokens.token(&app.store, &config).await?;
    let spec = &handed.spec;
    let asks = &spec.asks;
    Ok(Job {
        uuid: handed.job.id.uuid(),
        spec: JobSpec {
            uuid: spec.id.uuid(),
            name: asks.name.clone(),
            slug: asks.slug.clone(),
            os: named::<Os>("os", &asks.os)?,
            architecture: named::<Architecture>("architecture", &asks.architecture)?,
            sandbox: asks
                .sandbox
                .as_deref()
                .map(|sandbox| named::<SandboxKind>("sandbox", sandbox))
                .transpose()?,
            cpu: asks.cpu,
            memory: asks.memory,
            disk: asks.disk,
            network: asks.network,
            fallback: None,
            created: rfc3339(spec.created),
            modified: rfc3339(spec.modified),
            archived: spec.archived.map(rfc3339),
        },
        config,
        oci_token,
        timeout: handed.job.timeout,
        created: rfc3339(handed.job.created),
        live_output: extensions.live_output,
        evidence: extensions.evidence,
    })
}

/// A name of the protocol.
fn named<T: DeserializeOwned>(field: &'static str, name: &str) -> Result<T, HandError> {
    serde_json::from_value(serde_json::Value::String(name.to_owned()))
        .map_err(|cause| HandError::Field { field, cause })
}
