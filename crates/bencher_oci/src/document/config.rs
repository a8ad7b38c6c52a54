//! The configuration of an image: what to run, how, and the identity of the layers' content.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::json::null_as_default;
use super::{DocumentError, json};
use crate::{Digest, Excerpt, Platform};

/// An image's configuration (OCI image specification, `config.md`), as far as running the image
/// needs it. What says nothing about a benchmark's run is ignored: `ExposedPorts`, `Volumes`,
/// `Healthcheck`, `ArgsEscaped`, `OnBuild`, `history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageConfig {
    /// What the image runs on, where it says so.
    pub platform: Option<Platform>,
    /// When the image was made, RFC 3339, as it stands in the image.
    pub created: Option<String>,
    /// The program and the arguments that are always there. Empty: none.
    pub entrypoint: Vec<String>,
    /// The arguments behind the entrypoint, or the whole command without one. Empty: none.
    pub cmd: Vec<String>,
    /// `KEY=VALUE`, in the image's order.
    pub env: Vec<String>,
    /// The folder to start in. Empty: not set.
    pub working_dir: String,
    /// `user[:group]` as [`UserSpec`](crate::UserSpec) parses it. Empty: not set.
    pub user: String,
    /// The signal that asks the command to end, as [`StopSignal`](crate::StopSignal) parses it.
    pub stop_signal: Option<String>,
    /// Free-form metadata.
    pub labels: BTreeMap<String, String>,
    /// What each layer's uncompressed content hashes to, the lowest first.
    pub diff_ids: Vec<Digest>,
}

#[derive(Deserialize)]
#[serde(expecting = "an image configuration")]
struct Raw {
    #[serde(default)]
    architecture: Option<String>,
    #[serde(default)]
    os: Option<String>,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    created: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    config: RawRun,
    rootfs: Option<RawRootfs>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", expecting = "the settings of a container")]
struct RawRun {
    #[serde(default, deserialize_with = "null_as_default")]
    entrypoint: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    cmd: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    env: Vec<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    working_dir: String,
    #[serde(default, deserialize_with = "null_as_default")]
    user: String,
    #[serde(default)]
    stop_signal: Option<String>,
    #[serde(default, deserialize_with = "null_as_default")]
    labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(expecting = "a list of layers")]
struct RawRootfs {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default, deserialize_with = "null_as_default")]
    diff_ids: Vec<Digest>,
}

/// Parses an image configuration, OCI's or Docker's.
///
/// # Errors
/// A [`DocumentError`] that says why the document is refused.
pub fn parse_config(bytes: &[u8]) -> Result<ImageConfig, DocumentError> {
    let raw: Raw = json::parse(bytes)?;
    let rootfs = raw.rootfs.ok_or(DocumentError::Missing("rootfs"))?;
    if rootfs.kind != "layers" {
        return Err(DocumentError::RootfsType(Excerpt::new(&rootfs.kind)));
    }
    let run = raw.config;
    let stop_signal = run.stop_signal.filter(|signal| !signal.is_empty());
    no_nul("Entrypoint", &run.entrypoint)?;
    no_nul("Cmd", &run.cmd)?;
    no_nul("Env", &run.env)?;
    no_nul("WorkingDir", [&run.working_dir])?;
    no_nul("User", [&run.user])?;
    Ok(ImageConfig {
        platform: platform(
            raw.os.as_deref(),
            raw.architecture.as_deref(),
            raw.variant.as_deref(),
        ),
        created: raw.created,
        entrypoint: run.entrypoint,
        cmd: run.cmd,
        env: run.env,
        working_dir: run.working_dir,
        user: run.user,
        stop_signal,
        labels: run.labels,
        diff_ids: rootfs.diff_ids,
    })
}

/// Old tools left `os` and `architecture` empty; half a platform is none.
fn platform(
    os: Option<&str>,
    architecture: Option<&str>,
    variant: Option<&str>,
) -> Option<Platform> {
    let os = os.filter(|os| !os.is_empty())?;
    let architecture = architecture.filter(|architecture| !architecture.is_empty())?;
    Some(Platform::new(os, architecture, variant))
}

fn no_nul<'a>(
    field: &'static str,
    texts: impl IntoIterator<Item = &'a String>,
) -> Result<(), DocumentError> {
    if texts.into_iter().any(|text| text.contains('\0')) {
        return Err(DocumentError::Nul(field));
    }
    Ok(())
}
