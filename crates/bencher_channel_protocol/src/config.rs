//! What a job runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::Excerpt;
use crate::ImageDigest;
use crate::bounds::{
    self, BoundError, MAX_ARGUMENTS, MAX_ENVIRONMENT, MAX_FILE_PATHS, MAX_ITERATIONS,
    MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_TEXT_BYTES, MAX_URL_BYTES,
};

/// What a job runs: the image `{registry}/{project}@{digest}`, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobConfig {
    /// The address of the registry. It may end with a slash.
    pub registry: String,
    /// The project: its UUID is the repository's name.
    pub project: Uuid,
    /// The image's manifest.
    pub digest: ImageDigest,
    /// The image as its user called it, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Replaces the image's command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Variables above those of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// How long an iteration may take, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// Files to collect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_paths: Option<Vec<String>>,
    /// Asks for the command's wall time as a metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build_time: Option<bool>,
    /// Asks for the sizes of the files instead of their contents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_size: Option<bool>,
    /// The server's business: a runner passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average: Option<Value>,
    /// How many iterations; one if it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iter: Option<u32>,
    /// The server's business: a runner passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Value>,
    /// Whether a command that fails completes the job all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_failure: Option<bool>,
    /// The server's business: a runner passes over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backdate: Option<Value>,
}

impl JobConfig {
    /// Makes sure that every field is within its bounds.
    ///
    /// # Errors
    ///
    /// The first field that is not.
    pub fn check(&self) -> Result<(), BoundError> {
        bounds::filled("config.registry", &self.registry, MAX_URL_BYTES)?;
        if let Some(image) = &self.image {
            bounds::length("config.image", image, MAX_URL_BYTES + MAX_NAME_BYTES)?;
        }
        texts("config.entrypoint", self.entrypoint.as_deref())?;
        texts("config.cmd", self.cmd.as_deref())?;
        if let Some(variables) = &self.env {
            environment(variables)?;
        }
        if let Some(paths) = &self.file_paths {
            bounds::count("config.file_paths", paths.len(), MAX_FILE_PATHS)?;
            for path in paths {
                bounds::filled("config.file_paths", path, MAX_PATH_BYTES)?;
                bounds::no_nul("config.file_paths", path)?;
            }
        }
        if let Some(timeout) = self.timeout {
            bounds::not_zero("config.timeout", timeout.into())?;
        }
        match self.iter {
            None => Ok(()),
            Some(iterations) if iterations > MAX_ITERATIONS => Err(BoundError::Value {
                field: "config.iter",
                value: iterations.into(),
                most: MAX_ITERATIONS.into(),
            }),
            Some(iterations) => bounds::not_zero("config.iter", iterations.into()),
        }
    }
}

fn texts(field: &'static str, arguments: Option<&[String]>) -> Result<(), BoundError> {
    let arguments = arguments.unwrap_or_default();
    bounds::count(field, arguments.len(), MAX_ARGUMENTS)?;
    for argument in arguments {
        bounds::length(field, argument, MAX_TEXT_BYTES)?;
        bounds::no_nul(field, argument)?;
    }
    Ok(())
}

fn environment(variables: &BTreeMap<String, String>) -> Result<(), BoundError> {
    bounds::count("config.env", variables.len(), MAX_ENVIRONMENT)?;
    for (name, value) in variables {
        bounds::filled("config.env", name, MAX_NAME_BYTES)?;
        bounds::length("config.env", value, MAX_TEXT_BYTES - MAX_NAME_BYTES - 1)?;
        bounds::no_nul("config.env", name)?;
        bounds::no_nul("config.env", value)?;
        if name.contains('=') {
            return Err(BoundError::VariableName(Excerpt::new(name)));
        }
    }
    Ok(())
}
