//! Buildah, with a store of its own.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::programs::{output, succeeded};

/// Buildah in a folder, which it also keeps its images in.
#[derive(Debug)]
pub struct Buildah {
    folder: PathBuf,
    root: String,
    runroot: String,
}

impl Buildah {
    /// In `folder`.
    pub fn new(folder: &Path) -> Self {
        let path = |name: &str| folder.join(name).display().to_string();
        Self {
            folder: folder.to_owned(),
            root: path("buildah-store"),
            runroot: path("buildah-runs"),
        }
    }

    /// Runs one of its commands, and returns what it printed, however it ended.
    ///
    /// # Errors
    /// When there is no Buildah.
    pub fn output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let storage = ["--root", &self.root, "--runroot", &self.runroot];
        let driver = ["--storage-driver", "vfs"];
        let arguments = [&storage[..], &driver, arguments].concat();
        output(&self.folder, "buildah", &arguments)
    }

    /// Runs one of its commands, which has to succeed, and returns what it printed.
    ///
    /// # Errors
    /// When it fails.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let printed = succeeded("buildah", arguments, self.output(arguments)?)?;
        Ok(printed.trim().to_owned())
    }

    /// Whether `buildah build` with `options` makes an image of the folder's Dockerfile. Where it can
    /// not, as in some containers, that is said.
    ///
    /// # Errors
    /// When there is no Buildah.
    pub fn can_build(&self, options: &[&str]) -> anyhow::Result<bool> {
        let built = self.output(&[&["build"], options, &["."]].concat())?;
        if !built.status.success() {
            let errors = String::from_utf8_lossy(&built.stderr);
            println!("skipped: buildah can not build here: {}", errors.trim());
        }
        Ok(built.status.success())
    }
}
