//! Where a host's knobs are, and where it is remembered what they were.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::disk::{Disk, RealDisk};

/// The journal of this host. One for the whole host, as its knobs are: not in the state folder,
/// which each runner may choose for itself.
const JOURNAL: &str = "/var/lib/bencher-runner/tuning.json";

/// The lock of this host's knobs; gone with a reboot, as their values are.
const LOCK: &str = "/run/bencher-runner/tuning.lock";

/// A host as tuning sees it: this one, or a folder that looks like one.
#[derive(Debug, Clone)]
pub struct Place {
    root: PathBuf,
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
            root: PathBuf::from("/"),
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
            root: folder.to_owned(),
            journal: folder.join("var/lib/bencher-runner/tuning.json"),
            lock: folder.join("run/bencher-runner/tuning.lock"),
            disk,
            is_roots: true,
        }
    }

    /// Where the host's file `path`, which begins at its root, is for this process.
    fn locate(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What a file of the kernel's says.
    pub(super) fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        fs::read_to_string(self.locate(path.as_ref()))
    }

    /// The same, without spaces around it; `None` when it can not be read.
    pub(super) fn value(&self, path: impl AsRef<Path>) -> Option<String> {
        self.read(path).ok().map(|text| text.trim().to_owned())
    }

    pub(super) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.locate(path.as_ref()).exists()
    }

    /// What is in a folder of the kernel's, in the order of names; nothing if there is none.
    pub(super) fn list(&self, folder: &str) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.locate(Path::new(folder))) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| Path::new(folder).join(entry.file_name()))
            .collect();
        paths.sort();
        paths
    }

    /// Writes a value into a file of the kernel's.
    pub(super) fn set(&self, path: &Path, value: &str) -> io::Result<()> {
        self.disk.set(&self.locate(path), value)
    }

    /// Writes into a file that keeps what it is told as long as it is open.
    pub(super) fn hold(&self, path: &Path, content: &[u8]) -> io::Result<File> {
        let mut file = File::options().write(true).open(self.locate(path))?;
        file.write_all(content)?;
        Ok(file)
    }
}
