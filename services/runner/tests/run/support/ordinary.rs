//! `runner` as an ordinary user, in tests that root runs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::{Image, Ran, Runner, skip};

/// Debian's `nobody`.
const NOBODY: u32 = 65534;

/// A user with a home, a copy of the runner and a copy of the kernel.
pub(crate) struct Ordinary {
    home: TempDir,
}

impl Ordinary {
    /// `None`, after saying why, when this can not be tested here.
    pub(crate) fn new() -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip(Some(
                "not root, so every other test runs as an ordinary user already",
            ));
            return None;
        }
        if bencher_runner::paths::find_program("setpriv").is_none() {
            skip(Some("no setpriv on this machine"));
            return None;
        }
        let home = tempfile::tempdir().unwrap();
        fs::copy(env!("CARGO_BIN_EXE_runner"), home.path().join("runner")).unwrap();
        let ordinary = Self { home };
        give(ordinary.home.path());
        Some(ordinary)
    }

    /// Gives the user the kernel of the tests' cache, so that none has to be fetched.
    pub(crate) fn with_kernel(self) -> Self {
        let fetched = Runner::new()
            .command()
            .args(["kernel", "fetch"])
            .output()
            .unwrap();
        let image = PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim());
        let kernels = self.home.path().join("cache/kernels");
        fs::create_dir_all(&kernels).unwrap();
        let copied = Command::new("cp")
            .args(["-r", "--preserve=timestamps"])
            .arg(image.parent().unwrap())
            .arg(&kernels)
            .status();
        assert!(copied.is_ok_and(|status| status.success()));
        let all = Command::new("chown")
            .arg("-R")
            .arg(NOBODY.to_string())
            .arg(self.home.path())
            .status();
        assert!(all.is_ok_and(|status| status.success()));
        self
    }

    /// `runner run --image IMAGE …`.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, image: &Image, arguments: &[S]) -> Ran {
        Ran::of(self.run_command(image, arguments).output().unwrap())
    }

    /// The same, not started yet.
    pub(crate) fn run_command<S: AsRef<OsStr>>(&self, image: &Image, arguments: &[S]) -> Command {
        readable(image.path());
        let mut command = self.command();
        command
            .args(["run", "--image"])
            .arg(image.path())
            .args(arguments);
        command
    }

    /// `runner …`.
    pub(crate) fn command(&self) -> Command {
        let home = self.home.path();
        let mut command = Command::new("setpriv");
        command
            .args([format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")])
            .args(["--clear-groups", "--no-new-privs"])
            .arg(home.join("runner"))
            .env("BENCHER_RUNNER_CACHE_DIR", home.join("cache"))
            .env("BENCHER_RUNNER_STATE_DIR", home.join("state"))
            .env("BENCHER_RUNNER_NO_TUNING", "1")
            .stdin(Stdio::null());
        command
    }
}

fn give(path: &Path) {
    chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
}

fn readable(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
