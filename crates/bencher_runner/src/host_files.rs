//! The files in which a kernel tells of its host: of this one, or of a folder that looks like one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Where a host's files are. Paths begin at that host's root.
#[derive(Debug, Clone)]
pub(crate) struct HostFiles(PathBuf);

impl HostFiles {
    /// This host's.
    pub(crate) fn of_this_host() -> Self {
        Self::below(Path::new("/"))
    }

    /// Those in a folder.
    pub(crate) fn below(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// Where the host's file `path` is for this process.
    pub(crate) fn locate(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// What a file says.
    pub(crate) fn read(&self, path: impl AsRef<Path>) -> io::Result<String> {
        fs::read_to_string(self.locate(path))
    }

    /// The same, without spaces around it; `None` when it can not be read.
    pub(crate) fn value(&self, path: impl AsRef<Path>) -> Option<String> {
        self.read(path).ok().map(|text| text.trim().to_owned())
    }

    /// The value of a file, if it is one of this type.
    pub(crate) fn parsed<T: FromStr>(&self, path: impl AsRef<Path>) -> Option<T> {
        self.value(path)?.parse().ok()
    }

    pub(crate) fn exists(&self, path: impl AsRef<Path>) -> bool {
        self.locate(path).exists()
    }

    /// What is in a folder, in the order of names; nothing if there is none.
    pub(crate) fn list(&self, folder: impl AsRef<Path>) -> Vec<PathBuf> {
        let folder = folder.as_ref();
        let Ok(entries) = fs::read_dir(self.locate(folder)) else {
            return Vec::new();
        };
        let mut paths: Vec<_> = entries
            .flatten()
            .map(|entry| folder.join(entry.file_name()))
            .collect();
        paths.sort();
        paths
    }

    /// The folder in `/proc` of each process.
    pub(crate) fn processes(&self) -> Vec<PathBuf> {
        let mut folders = self.list("/proc");
        folders.retain(|path| is_number(path));
        folders
    }

    /// Whether a process of this name runs.
    pub(crate) fn is_running(&self, name: &str) -> bool {
        self.processes()
            .iter()
            .any(|process| self.value(process.join("comm")).as_deref() == Some(name))
    }
}

/// Whether the last part of a path is a number, as those of processes and interrupts are.
pub(crate) fn is_number(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    !name.is_empty() && name.iter().all(u8::is_ascii_digit)
}
