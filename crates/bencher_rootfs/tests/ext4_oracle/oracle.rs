//! Asking `e2fsck`, `dumpe2fs` and the kernel.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{PoisonError, RwLock};

use nix::sched::{CloneFlags, unshare};
use rustix::mount::{MountPropagationFlags, UnmountFlags};
use tempfile::TempDir;

use crate::image::Image;

/// Held by children of this process, and alone to unmount: a child that has not come to close what
/// it inherited has files open that another test reads in its mount.
static CHILDREN: RwLock<()> = RwLock::new(());

fn output(command: &mut Command) -> Output {
    let _running = CHILDREN.read().unwrap_or_else(PoisonError::into_inner);
    command
        .output()
        .unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()))
}

/// A program of e2fsprogs, which lies where only root looks.
fn e2fsprogs(program: &str) -> Command {
    let mut command = Command::new(program);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command.env("LC_ALL", "C").env("TZ", "UTC");
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
    let output = output(e2fsprogs("e2fsck").args(["-f", "-n"]).arg(image));
    let shown = text(&output);
    // It forgives some flaws, but asks whether to fix them. Only times after 2310 are none: it
    // takes them for those of an old kernel that stored times before 1970 wrongly.
    let lines: Vec<_> = shown.lines().collect();
    let flawed = lines
        .windows(2)
        .any(|pair| pair[1].contains("? no") && !pair[0].starts_with("Timestamp(s) on inode"));
    assert!(output.status.success() && !flawed, "{shown}");
}

/// What `dumpe2fs` says about the superblock and every group.
pub(crate) fn dumpe2fs(image: &Path) -> String {
    text(&output(e2fsprogs("dumpe2fs").arg(image)))
}

/// One field of the superblock, as `dumpe2fs` names it.
pub(crate) fn superblock_field(image: &Path, name: &str) -> Option<String> {
    let text = text(&output(e2fsprogs("dumpe2fs").arg("-h").arg(image)));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.trim().to_owned())
}

/// What `debugfs` answers to a request.
pub(crate) fn debugfs(image: &Path, request: &str) -> String {
    run_debugfs(e2fsprogs("debugfs").args(["-R", request]).arg(image))
}

/// The same by the superblock and descriptors that begin at this block. It takes no bitmap for
/// uninitialized then, so it must not read them.
pub(crate) fn debugfs_of_backup(image: &Path, superblock: u64, request: &str) -> String {
    let superblock = superblock.to_string();
    let mut command = e2fsprogs("debugfs");
    command.args(["-c", "-b", "4096", "-s", &superblock, "-R", request]);
    run_debugfs(command.arg(image))
}

fn run_debugfs(command: &mut Command) -> String {
    // The other stream has its version, and complaints when it has nothing to say here.
    String::from_utf8_lossy(&output(command).stdout).into_owned()
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
        // Only this test's thread sees what it mounts: nobody else can keep it busy, and it is gone
        // with the thread, even when that is killed.
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        let directory = TempDir::new().unwrap();
        let output = output(
            Command::new("mount")
                .args(["-t", "ext4", "-o", &format!("loop,{mode}")])
                .arg(image.path())
                .arg(directory.path()),
        );
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
        let device = std::fs::metadata(self.path()).unwrap().dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        let link = std::fs::read_link(format!("/sys/dev/block/{major}:{minor}")).unwrap();
        let count = Path::new("/sys/fs/ext4")
            .join(link.file_name().unwrap())
            .join("errors_count");
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
        let result = {
            let _alone = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
            rustix::mount::unmount(self.path(), UnmountFlags::empty())
        };
        // A second panic would hide the first.
        if !std::thread::panicking() {
            result.unwrap();
        }
    }
}
