//! What the machine that runs the tests has to offer.

use std::fs::File;
use std::path::{Path, PathBuf};

use bencher_rootfs::{BuildOptions, BuildReport, NoProgress, build};
use test_support::programs;

use crate::layers::{MemoryLayer, sources};

/// Whether the test can run; says why not.
pub(crate) fn has(test: &str, wanted: &[&str]) -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("{test}: skipped, as it needs root");
        return false;
    }
    !programs::missing(wanted)
}

/// Runs a program that has to succeed.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    programs::run(Path::new("."), program, arguments).unwrap();
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
