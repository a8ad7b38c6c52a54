//! Where things are: the workspace, its target folder and the harness's part of it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Deserialize;

use crate::process;

/// The folder below the target folder that holds everything the harness makes.
const ARTIFACTS: &str = "test-runner";

/// The paths of one run of the harness.
#[derive(Debug, Clone)]
pub(crate) struct Workspace {
    root: PathBuf,
    artifacts: PathBuf,
}

/// The part of `cargo metadata` that is used.
#[derive(Debug, Deserialize)]
struct Metadata {
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

impl Workspace {
    /// Asks cargo, so that `CARGO_TARGET_DIR` and `build.target-dir` count.
    ///
    /// # Errors
    ///
    /// When cargo fails or the current folder belongs to no workspace.
    pub(crate) fn locate() -> anyhow::Result<Self> {
        let output = process::capture(process::cargo().args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--offline",
        ]))?;
        let metadata: Metadata =
            serde_json::from_slice(&output).context("cargo metadata printed something else")?;
        Ok(Self {
            root: metadata.workspace_root,
            artifacts: metadata.target_directory.join(ARTIFACTS),
        })
    }

    /// The folder of the workspace manifest.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folder that holds everything the harness makes.
    pub(crate) fn artifacts(&self) -> &Path {
        &self.artifacts
    }

    /// Makes the folder `name` of the artifacts.
    ///
    /// # Errors
    ///
    /// When it can not be made.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.artifacts.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(path)
    }

    /// Removes every artifact.
    ///
    /// # Errors
    ///
    /// When something can not be removed.
    pub(crate) fn clean(&self) -> anyhow::Result<()> {
        match fs::remove_dir_all(&self.artifacts) {
            Ok(()) => println!("removed {}", self.artifacts.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("{} is already gone", self.artifacts.display());
            }
            Err(error) => {
                return Err(error)
                    .with_context(|| format!("cannot remove {}", self.artifacts.display()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
impl Workspace {
    /// A workspace of `root` whose artifacts lie in `root/target`.
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            artifacts: root.join("target").join(ARTIFACTS),
        }
    }
}
