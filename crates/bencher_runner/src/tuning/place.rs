//! Where a host's knobs are, and where it is remembered what they were.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, RealDisk};
use crate::host_files::HostFiles;

/// The journal of this host. One for the whole host, as its knobs are: not in the state folder,
/// which each runner may choose for itself.
const JOURNAL: &str = "/var/lib/bencher-runner/tuning.json";

/// The lock of this host's knobs; gone with a reboot, as their values are.
const LOCK: &str = "/run/bencher-runner/tuning.lock";

/// A host as tuning sees it: this one, or a folder that looks like one.
#[derive(Debug, Clone)]
pub struct Place {
    files: HostFiles,
    pub(super) journal: PathBuf,
    pub(super) lock: PathBuf,
    pub(super) disk: Arc<dyn Disk>,
    /// Whether this process may change anything there.
    pub(super) is_roots: bool,
}

impl Place {
    /// This host. The journal is `/var/lib/bencher-runner/tuning.json`, the lock
    /// `/run/bencher-runner/tuning.lock`.
    pub fn this_host() -> Self {
        Self {
            files: HostFiles::of_this_host(),
            journal: PathBuf::from(JOURNAL),
            lock: PathBuf::from(LOCK),
            disk: Arc::new(RealDisk),
            is_roots: nix::unistd::geteuid().is_root(),
        }
    }

    /// A host in a folder, as if root were at work there.
    #[cfg(test)]
    pub(super) fn below(folder: &Path, disk: Arc<dyn Disk>) -> Self {
        Self {
            files: HostFiles::below(folder),
            journal: folder.join("var/lib/bencher-runner/tuning.json"),
            lock: folder.join("run/bencher-runner/tuning.lock"),
            disk,
            is_roots: true,
        }
    }

    /// What the kernel tells of the host.
    pub(super) fn files(&self) -> &HostFiles {
        &self.files
    }

    pub(super) fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        self.files.read(path)
    }

    pub(super) fn value(&self, path: impl AsRef<Path>) -> Option<String> {
        self.files.value(path)
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.files.exists(path)
    }

    pub(super) fn list(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        self.files.list(folder)
    }

    /// Writes a value into a file of the kernel's.
    pub(super) fn set(&self, path: &Path, value: &str) -> io::Result<()> {
        self.disk.set(&self.files.locate(path), value)
    }

    /// Writes into a file that keeps what it is told as long as it is open.
    pub(super) fn hold(&self, path: &Path, content: &[u8]) -> io::Result<File> {
        let mut file = File::options().write(true).open(self.files.locate(path))?;
        file.write_all(content)?;
        Ok(file)
    }
}
