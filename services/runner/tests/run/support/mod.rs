//! What the integration tests share: small real images, and the real `runner` as a user runs it.

mod cache;
mod handle;
mod image;
mod neighbour;
mod ordinary;
mod server;
mod small_disk;
mod tunable;

use std::env;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

pub(crate) use cache::Cache;
pub(crate) use handle::Handle;
pub(crate) use image::{Image, digest};
pub(crate) use neighbour::{Host, forwards, guards, ip, traces};
pub(crate) use ordinary::Ordinary;
pub(crate) use server::serve_once;
pub(crate) use small_disk::SmallDisk;
use tempfile::TempDir;
pub(crate) use tunable::{JOURNAL, TunableHost};

/// A `runner` with a state folder of its own and the cache that all tests share.
pub(crate) struct Runner {
    state: TempDir,
    cache: PathBuf,
}

/// What a run printed and how it ended.
pub(crate) struct Ran {
    /// The exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) stdout: Vec<u8>,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Runner {
    pub(crate) fn new() -> Self {
        // The harness's cache has a kernel already.
        let cache = env::var_os("RUNNER_TEST_ARTIFACTS").map_or_else(
            || PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("cache"),
            |artifacts| PathBuf::from(artifacts).join("cache"),
        );
        Self {
            state: tempfile::tempdir().unwrap(),
            cache,
        }
    }

    pub(crate) fn state(&self) -> &Path {
        self.state.path()
    }

    /// `runner` with its folders set.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
        command
            .env("XDG_CACHE_HOME", &self.cache)
            .env("XDG_STATE_HOME", self.state.path())
            // Tests run side by side, and the host is one.
            .env("BENCHER_RUNNER_NO_TUNING", "1")
            .stdin(Stdio::null());
        command
    }

    /// `runner run --image IMAGE …`.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, image: &Image, arguments: &[S]) -> Ran {
        let mut command = self.command();
        command
            .arg("run")
            .arg("--image")
            .arg(image.path())
            .args(arguments);
        Ran::of(command.output().unwrap())
    }

    /// The same, with pipes, while it runs.
    pub(crate) fn start<S: AsRef<OsStr>>(&self, image: &Image, arguments: &[S]) -> Child {
        let mut command = self.command();
        command
            .arg("run")
            .arg("--image")
            .arg(image.path())
            .args(arguments);
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Run folders that are there.
    pub(crate) fn run_folders(&self) -> Vec<PathBuf> {
        let runs = self.state.path().join("bencher-runner/runs");
        let Ok(entries) = std::fs::read_dir(runs) else {
            return Vec::new();
        };
        entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_dir())
            .collect()
    }
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output
                .status
                .code()
                .expect("runner exits, no signal ends it"),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.stdout).unwrap()
    }

    /// Standard output as the result document.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}: {}\n{}",
                String::from_utf8_lossy(&self.stdout),
                self.stderr
            )
        })
    }

    /// Checks the exit code, showing what was printed if it is another.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(
            self.code,
            code,
            "{}\n{}",
            String::from_utf8_lossy(&self.stdout),
            self.stderr
        );
        self
    }

    /// Lines of standard error that are neither the runner's log nor its metrics.
    pub(crate) fn command_stderr(&self) -> String {
        self.stderr
            .lines()
            .filter(|line| !line.starts_with("runner: ") && !line.starts_with("---BENCHER"))
            .fold(String::new(), |text, line| text + line + "\n")
    }
}

/// Reads from `child`'s standard output until `text` has come.
pub(crate) fn wait_for(child: &mut Child, text: &str) -> String {
    let stdout = child.stdout.as_mut().unwrap();
    let mut read = Vec::new();
    let mut byte = [0];
    while !String::from_utf8_lossy(&read).contains(text) {
        assert_eq!(
            stdout.read(&mut byte).unwrap(),
            1,
            "it ended after {read:?}"
        );
        read.push(byte[0]);
    }
    String::from_utf8(read).unwrap()
}

/// Why this machine can not boot VMs; printed where a test skips itself.
pub(crate) fn no_vm() -> bool {
    let missing = if bencher_runner::paths::find_program("qemu-system-x86_64").is_none() {
        Some("no qemu-system-x86_64 on this machine")
    } else if image::busybox().is_none() {
        Some("no statically linked busybox on this machine")
    } else {
        None
    };
    skip(missing)
}

/// Why this machine can not make images.
pub(crate) fn no_image() -> bool {
    skip(
        image::busybox()
            .is_none()
            .then_some("no statically linked busybox on this machine"),
    )
}

pub(crate) fn skip(reason: Option<&str>) -> bool {
    if let Some(reason) = reason {
        println!("skipped: {reason}");
    }
    reason.is_some()
}

/// Processes whose command line holds `text`.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Ok(id) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let command_line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&command_line).contains(text) {
            found.push(id);
        }
    }
    found
}

/// The process of the VMM that runs for `runner`.
pub(crate) fn vmm_of(runner: &Runner) -> Vec<u32> {
    // In its jail the disk is a mount, whose source names the state folder.
    let own = runner.state().file_name().unwrap().to_string_lossy();
    processes_with("qemu-system")
        .into_iter()
        .filter(|id| {
            std::fs::read_to_string(format!("/proc/{id}/mountinfo"))
                .is_ok_and(|mounts| mounts.contains(own.as_ref()))
        })
        .collect()
}
