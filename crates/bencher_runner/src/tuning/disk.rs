//! Everything that tuning does to a host's files, one operation each.
//!
//! It is a trait so that tests can end a runner after any one of them, and let files refuse.

use std::fmt::Debug;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What changes files.
pub(crate) trait Disk: Debug + Send + Sync {
    /// Writes a value into a file of the kernel's that is there, in one write.
    fn set(&self, file: &Path, value: &str) -> io::Result<()>;
    /// Writes a file of the runner's own, new or again, down to the disk.
    fn create(&self, file: &Path, content: &[u8]) -> io::Result<()>;
    /// Puts the file `from` in the place of `to`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file of the runner's own.
    fn remove(&self, file: &Path) -> io::Result<()>;
    /// Makes what was created, renamed and removed in a folder last.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The real one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn set(&self, file: &Path, value: &str) -> io::Result<()> {
        // Not created: there is no knob where the kernel has none.
        File::options()
            .write(true)
            .truncate(true)
            .open(file)?
            .write_all(value.as_bytes())
    }

    fn create(&self, file: &Path, content: &[u8]) -> io::Result<()> {
        let mut created = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(file)?;
        created.write_all(content)?;
        created.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }
}
