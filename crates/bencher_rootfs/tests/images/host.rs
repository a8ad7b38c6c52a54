//! What the machine that runs the tests has to offer.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use bencher_rootfs::{BuildOptions, BuildReport, NoProgress, build};

use crate::layers::{MemoryLayer, sources};

/// Whether the test can run; says why not.
pub(crate) fn has(test: &str, programs: &[&str]) -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("{test}: skipped, as it needs root");
        return false;
    }
    for program in programs {
        if find(program).is_none() {
            eprintln!("{test}: skipped, as {program} is not installed");
            return false;
        }
    }
    true
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':')
        .map(|directory| Path::new(directory).join(program))
        .find(|candidate| candidate.exists())
}

/// Runs a program that has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let found = find(program).unwrap_or_else(|| panic!("{program} is not installed"));
    let output = Command::new(found)
        .args(arguments)
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// An image that is mounted as long as this lives.
pub(crate) struct Mounted {
    pub(crate) root: PathBuf,
    pub(crate) report: BuildReport,
    _directory: tempfile::TempDir,
}

impl Mounted {
    /// Builds, checks and mounts the image of some layers.
    pub(crate) fn build(layers: &[MemoryLayer], options: &BuildOptions) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let image = directory.path().join("image");
        let file = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&image)
            .unwrap();
        let report = build(&sources(layers), &file, options, &NoProgress).unwrap();
        run("e2fsck", &["-fn", text(&image)]);
        let root = directory.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let options = "loop,ro,noatime";
        run(
            "mount",
            &["-t", "ext4", "-o", options, text(&image), text(&root)],
        );
        Self {
            root,
            report,
            _directory: directory,
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily: a child of another test may hold a file open that it inherited.
        run("umount", &["-l", text(&self.root)]);
    }
}
