//! A filesystem that is full soon.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::skip;

/// A mounted filesystem, of 2 MiB unless a test says otherwise.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    /// `None`, after saying why, when none can be mounted here.
    pub(crate) fn mount() -> Option<Self> {
        Self::of("2m")
    }

    /// One of another size.
    pub(crate) fn of(size: &str) -> Option<Self> {
        if !nix::unistd::geteuid().is_root() {
            skip(Some("only root can mount a small filesystem"));
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            skip(Some("a tmpfs can not be mounted here"));
            return None;
        }
        Some(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A test that fails may still use it; the mount ends with the machine then.
        let _unmounted = Command::new("umount").arg(self.0.path()).status();
    }
}
