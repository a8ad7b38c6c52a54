//! A cache of its own, and `runner` with it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::{Ran, Runner};

/// A folder for the cache, which is removed with it.
pub(crate) struct Cache {
    runner: Runner,
    folder: TempDir,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            runner: Runner::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `runner ARGUMENTS…` with this cache.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = self.runner.command();
        command
            .args(arguments)
            .env("BENCHER_RUNNER_CACHE_DIR", self.path());
        command
    }

    /// The same, run.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// `runner cache add IMAGE NAME`.
    pub(crate) fn add(&self, image: &Path, name: &str) -> Ran {
        self.run(&["cache", "add", image.to_str().unwrap(), name])
    }
}
