//! `runner up`, the real program.

use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::LazyLock;

use super::Site;
use crate::client::RUNNER;

/// A runner that is up. It is killed with this value.
#[derive(Debug)]
pub(crate) struct Up(Child);

impl Up {
    /// Starts the runner `r` of the site, which finds its server at `host`. It may use no sandbox.
    pub(crate) fn start(site: &Site, host: &str, key: &str, options: &[&str]) -> Self {
        LazyLock::force(&RUNNER);
        let mut command = Command::new(&*RUNNER);
        command
            .args(["up", "--host", host, "--runner", "r"])
            .args([
                "--danger-allow-no-sandbox",
                "--no-auto-update",
                "--no-tuning",
            ])
            .args(options)
            .env("BENCHER_RUNNER_KEY", key)
            .env("BENCHER_RUNNER_CACHE_DIR", site.path("cache"))
            .env("BENCHER_RUNNER_STATE_DIR", site.path("state"))
            .env("HOME", site.folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }

    /// Where it keeps results that were not acknowledged, one file a job.
    pub(crate) fn outbox(site: &Site) -> PathBuf {
        site.path("state").join("up/r/outbox")
    }

    /// What it says.
    pub(crate) fn log(&mut self) -> ChildStderr {
        self.0.stderr.take().expect("it is a pipe")
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}
