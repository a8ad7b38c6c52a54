//! A real server and simulated runners: a program of the server's own package.

use std::fmt::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, ensure};

use crate::process::cargo;
use crate::workspace::Workspace;

/// A job that is lost or run twice is an error; other numbers stand beside their goals. Cargo builds
/// benchmarks, and the server that this one starts, with its release profile.
///
/// A thousand idle runners and ten thousand jobs on one server with SQLite, the same with many kinds of
/// jobs, then two servers with PostgreSQL, of which one is killed every ten seconds.
pub(super) fn run(workspace: &Workspace) -> anyhow::Result<String> {
    let mut text = "### Server: 1,000 simulated runners, 10,000 jobs\n".to_owned();
    for (title, options) in [
        ("One server with SQLite", &[][..]),
        (
            "One server with SQLite, jobs of 1,000 projects for 10 specs",
            &["--projects", "1000", "--specs", "10", "--idle", "0"],
        ),
        (
            "Two servers with PostgreSQL, one of them killed every 10 s",
            &["--kill-every", "10"],
        ),
    ] {
        let output = cargo()
            .current_dir(workspace.root())
            .args([
                "bench",
                "--locked",
                "-p",
                "bencher_server",
                "--bench",
                "fleet",
                "--",
            ])
            .args(options)
            // How far it is.
            .stderr(Stdio::inherit())
            .output()
            .context("cannot start cargo")?;
        let table = String::from_utf8_lossy(&output.stdout);
        // A job that was lost or run twice fails it: the table says what else there was.
        ensure!(
            output.status.success(),
            "{title}: the benchmark of the server failed\n\n{table}"
        );
        let _ = write!(text, "\n{title}:\n\n{table}");
    }
    Ok(text)
}
