//! Asking `e2fsck`, `dumpe2fs` and the kernel.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::image::Image;

/// Runs a program of e2fsprogs, which lies where only root looks.
fn e2fsprogs(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.env("LC_ALL", "C");
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Checks an image completely: it must be flawless.
pub(crate) fn check(image: &Path) {
    let output = e2fsprogs("e2fsck")
        .args(["-f", "-n"])
        .arg(image)
        .output()
        .expect("e2fsck of e2fsprogs is installed");
    assert!(output.status.success(), "{}", text(&output));
}

/// One field of the superblock, as `dumpe2fs` names it.
pub(crate) fn superblock_field(image: &Path, name: &str) -> Option<String> {
    let output = e2fsprogs("dumpe2fs").arg("-h").arg(image).output().unwrap();
    let text = text(&output);
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// What `debugfs` answers to a request.
pub(crate) fn debugfs(image: &Path, request: &str) -> String {
    let output = e2fsprogs("debugfs")
        .args(["-R", request])
        .arg(image)
        .output()
        .unwrap();
    text(&output)
}

/// An image mounted by the kernel, until it is dropped.
#[derive(Debug)]
pub(crate) struct Mount {
    directory: TempDir,
}

impl Mount {
    pub(crate) fn read_only(image: &Image) -> Option<Self> {
        Self::new(image, "ro")
    }

    pub(crate) fn read_write(image: &Image) -> Option<Self> {
        Self::new(image, "rw")
    }

    /// Nothing, with a word about it, where the kernel can not be asked.
    fn new(image: &Image, mode: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: the kernel mounts images only for root");
            return None;
        }
        if !Path::new("/dev/loop-control").exists() {
            eprintln!("skipped: there are no loop devices to mount images with");
            return None;
        }
        let directory = TempDir::new().unwrap();
        let output = Command::new("mount")
            .args(["-t", "ext4", "-o", &format!("loop,{mode}")])
            .arg(image.path())
            .arg(directory.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", text(&output));
        Some(Self { directory })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn join(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// The number of errors that the kernel has met in this filesystem so far.
    pub(crate) fn errors(&self) -> u64 {
        let output = Command::new("findmnt")
            .args(["-n", "-o", "SOURCE", "--mountpoint"])
            .arg(self.path())
            .output()
            .unwrap();
        let device = String::from_utf8(output.stdout).unwrap();
        let name = Path::new(device.trim()).file_name().unwrap();
        let count = Path::new("/sys/fs/ext4").join(name).join("errors_count");
        std::fs::read_to_string(count)
            .unwrap()
            .trim()
            .parse()
            .unwrap()
    }

    pub(crate) fn unmount(self) {
        assert_eq!(self.errors(), 0);
        drop(self);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.path()).status();
        // A second panic would hide the first.
        if !std::thread::panicking() {
            assert!(status.unwrap().success());
        }
    }
}
