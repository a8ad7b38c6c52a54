//! The real `runner` binary, used as a user would use it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::console;
use crate::process::{self, capture, command};
use crate::workspace::Workspace;

/// The package that builds the binary, and the binary's name.
const PACKAGE: &str = "bencher_runner_cli";
const BINARY: &str = "runner";

/// The runner's variable that has it leave the host as it is.
pub(crate) const NO_TUNING: &str = "BENCHER_RUNNER_NO_TUNING";

/// A built `runner` with folders of its own, so that nothing of the user's is used or changed.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    binary: PathBuf,
    cache: PathBuf,
    state: PathBuf,
}

/// A line of `cargo build --message-format=json`.
#[derive(Debug, Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Target {
    name: String,
}

impl Runner {
    /// Builds the binary as it is released.
    ///
    /// # Errors
    ///
    /// When it does not compile.
    pub(crate) fn build(workspace: &Workspace) -> anyhow::Result<Self> {
        console::note(&format!(
            "building the runner (cargo build --release -p {PACKAGE})"
        ));
        let messages = capture(
            process::cargo()
                .current_dir(workspace.root())
                .args(["build", "--release", "--locked", "--package", PACKAGE])
                .args(["--bin", BINARY, "--message-format=json-render-diagnostics"]),
        )?;
        let binary = executable(&String::from_utf8_lossy(&messages))
            .with_context(|| format!("cargo built no executable {BINARY}"))?;
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

/// The path of the binary in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| {
            message
                .target
                .as_ref()
                .is_some_and(|target| target.name == BINARY)
        })
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_other_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bencher_runner"},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
not json
{"reason":"compiler-artifact","target":{"name":"runner"},"executable":"/t/release/runner"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages).as_deref(),
            Some(Path::new("/t/release/runner"))
        );
        assert_eq!(executable(""), None);
    }
}
