//! The real `runner` binary, used as a user would use it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::bail;

use crate::binaries;
use crate::console;
use crate::process::{capture, command};
use crate::workspace::Workspace;

/// The runner's variable that has it leave the host as it is.
pub(crate) const NO_TUNING: &str = "BENCHER_RUNNER_NO_TUNING";

/// A built `runner` with folders of its own, so that nothing of the user's is used or changed.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    binary: PathBuf,
    cache: PathBuf,
    state: PathBuf,
}

impl Runner {
    /// Builds the binary as it is released.
    ///
    /// # Errors
    ///
    /// When it does not compile.
    pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        let binary = binaries::runner(workspace)?;
        Ok(Self {
            binary,
            cache: workspace.folder("cache/bencher-runner")?,
            state: workspace.folder("state/bencher-runner")?,
        })
    }

    /// A binary that somebody else built.
    pub(crate) fn at(binary: PathBuf, cache: PathBuf, state: PathBuf) -> Self {
        Self {
            binary,
            cache,
            state,
        }
    }

    /// The same with another state folder.
    pub(crate) fn with_state(&self, state: PathBuf) -> Self {
        Self {
            state,
            ..self.clone()
        }
    }

    /// The same with another cache.
    pub(crate) fn with_cache(&self, cache: PathBuf) -> Self {
        Self {
            cache,
            ..self.clone()
        }
    }

    /// The same with another binary.
    pub(crate) fn with_binary(&self, binary: PathBuf) -> Self {
        Self {
            binary,
            ..self.clone()
        }
    }

    /// The binary's path.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// Its folder for kernels, root filesystems and the like.
    pub(crate) fn cache(&self) -> &Path {
        &self.cache
    }

    /// Its folder for what runs need while they run.
    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The binary, with this harness's folders.
    pub(crate) fn command(&self) -> Command {
        let mut command = command(&self.binary);
        command
            .env("BENCHER_RUNNER_CACHE_DIR", &self.cache)
            .env("BENCHER_RUNNER_STATE_DIR", &self.state)
            // Runs are side by side, and the host is one.
            .env(NO_TUNING, "1");
        command
    }

    /// Makes sure that the guest kernel is in the cache, and returns its path.
    ///
    /// # Errors
    ///
    /// When there is none and it can not be fetched.
    pub(crate) fn fetch_kernel(&self) -> anyhow::Result<PathBuf> {
        console::note("fetching the guest kernel (runner kernel fetch)");
        let printed = capture(self.command().args(["kernel", "fetch"]))?;
        let path = PathBuf::from(String::from_utf8_lossy(&printed).trim_end());
        if !path.is_file() {
            bail!(
                "`runner kernel fetch` printed `{}`, which is no file",
                path.display()
            );
        }
        console::note(&path.display().to_string());
        Ok(path)
    }
}
