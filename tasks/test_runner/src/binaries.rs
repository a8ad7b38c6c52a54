//! The workspace's own programs, built.

use std::path::PathBuf;

use anyhow::Context as _;
use serde::Deserialize;

use crate::console;
use crate::process::{self, capture};
use crate::workspace::Workspace;

/// Builds `runner` as it is released.
///
/// # Errors
///
/// When it does not compile.
pub(crate) fn runner(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    build(
        workspace,
        "the runner",
        "bencher_runner_cli",
        "runner",
        &["--release"],
    )
}

/// Builds `bencher-server` as tests have it: nothing of it is measured.
///
/// # Errors
///
/// When it does not compile.
pub(crate) fn server(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    build_server(workspace, &[])
}

/// Builds `bencher-server` as it is released.
///
/// # Errors
///
/// When it does not compile.
pub(crate) fn released_server(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    build_server(workspace, &["--release"])
}

fn build_server(workspace: &Workspace, profile: &[&str]) -> anyhow::Result<PathBuf> {
    build(
        workspace,
        "the server",
        "bencher_server",
        "bencher-server",
        profile,
    )
}

fn build(
    workspace: &Workspace,
    what: &str,
    package: &str,
    binary: &str,
    profile: &[&str],
) -> anyhow::Result<PathBuf> {
    let selected = [profile, &["-p", package]].concat();
    console::note(&format!(
        "building {what} (cargo build {})",
        selected.join(" ")
    ));
    let messages = capture(
        process::cargo()
            .current_dir(workspace.root())
            .args(["build", "--locked"])
            .args(selected)
            .args(["--bin", binary, "--message-format=json-render-diagnostics"]),
    )?;
    executable(&String::from_utf8_lossy(&messages), binary)
        .with_context(|| format!("cargo built no executable {binary}"))
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

/// The path of a binary in cargo's messages.
fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok())
        .filter(|message| {
            message
                .target
                .as_ref()
                .is_some_and(|target| target.name == binary)
        })
        .find_map(|message| message.executable)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_executable_is_found_among_other_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"bencher_runner"},"executable":null}
{"reason":"build-script-executed","package_id":"x"}
not json
{"reason":"compiler-artifact","target":{"name":"runner"},"executable":"/t/release/runner"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(
            executable(messages, "runner").as_deref(),
            Some(Path::new("/t/release/runner"))
        );
        assert_eq!(executable("", "runner"), None);
    }
}
