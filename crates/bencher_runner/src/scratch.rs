//! Folders that live no longer than the process that uses them, and what earlier ones left.
//!
//! ```text
//! PARENT/.lock          held while folders are made or swept
//! PARENT/<id>/.lock     held by the process that uses the folder, for as long as it lives
//! PARENT/<id>/…         what it keeps there
//! ```
//!
//! A lock goes with its process, however that ends: a folder whose lock is free is left over.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bencher_rootfs::remove_extracted;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use crate::Reporter;

/// A folder for this process alone, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why there is no such folder.
#[derive(Debug, Error)]
#[error("failed to use {}: {source}", path.display())]
pub(crate) struct ScratchError {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) source: io::Error,
}

const LOCK: &str = ".lock";

/// Removes what the process that had a left-over folder left elsewhere on the host.
pub(crate) type CleanUp = fn(&Path) -> io::Result<()>;

impl Scratch {
    /// Removes what earlier processes left below `parent`, then makes a folder for this one.
    /// `clean_up_after` is called with each folder that is left over; one after which that fails
    /// stays for the next time.
    ///
    /// Blocks while another process does the same.
    pub(crate) fn create(
        parent: &Path,
        prefix: &str,
        reporter: &dyn Reporter,
        clean_up_after: CleanUp,
    ) -> Result<Self, ScratchError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| ScratchError { path, source }
        };
        // Nobody else's business; and who could open the locks could hold them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(parent)
            .map_err(failed(parent))?;
        // However it is called next time, it is the same folder.
        let parent = &parent.canonicalize().map_err(failed(parent))?;
        // Without it another process could sweep a folder whose lock is not taken yet.
        let _making =
            lock(&new_lock(parent).map_err(failed(parent))?, true).map_err(failed(parent))?;
        sweep(parent, reporter, clean_up_after);
        let path = tempfile::Builder::new()
            .prefix(prefix)
            .tempdir_in(parent)
            .map_err(failed(parent))?
            .keep();
        let held = new_lock(&path).and_then(|file| lock(&file, false));
        Ok(Self {
            _lock: held.map_err(failed(&path))?,
            path,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What can not be removed now is swept by the next process.
        let _swept_later = remove_extracted(&self.path);
    }
}

/// The lock file of `folder`, made unless it is there.
fn new_lock(folder: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(folder.join(LOCK))
}

fn lock(file: &File, wait: bool) -> io::Result<Flock<File>> {
    let how = if wait {
        FlockArg::LockExclusive
    } else {
        FlockArg::LockExclusiveNonblock
    };
    Flock::lock(file.try_clone()?, how).map_err(|(_, errno)| errno.into())
}

/// Removes the folders of processes that are no more.
fn sweep(parent: &Path, reporter: &dyn Reporter, clean_up_after: CleanUp) {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) => {
            reporter.warning(&format!(
                "failed to look for left-over folders in {}: {error}",
                parent.display()
            ));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let held = match File::options().write(true).open(path.join(LOCK)) {
            Ok(file) => match lock(&file, false) {
                Ok(held) => Some(held),
                // Its process lives.
                Err(_) => continue,
            },
            // Its process is removing it, or ended while it did.
            Err(_) => None,
        };
        let removed = clean_up_after(&path)
            .map_err(|error| error.to_string())
            .and_then(|()| remove_extracted(&path).map_err(|error| error.to_string()));
        match removed {
            Ok(()) => reporter.debug(&format!("removed the left-over {}", path.display())),
            // Two who remove the same thing get in each other's way, and it goes all the same.
            Err(_) if held.is_none() => {}
            Err(error) => reporter.warning(&format!(
                "failed to remove the left-over {}: {error}",
                path.display()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::reporter::Silent;

    fn folders(parent: &Path) -> usize {
        fs::read_dir(parent)
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    }

    #[test]
    fn a_folder_lives_as_long_as_its_process() {
        let parent = tempfile::tempdir().unwrap();
        let first = Scratch::create(parent.path(), "run-", &Silent, |_| Ok(())).unwrap();
        let second = Scratch::create(parent.path(), "run-", &Silent, |_| Ok(())).unwrap();
        assert_eq!(folders(parent.path()), 2, "the first is in use");
        assert_ne!(first.path(), second.path());
        drop(first);
        assert_eq!(folders(parent.path()), 1);
    }

    #[test]
    fn what_is_left_over_is_swept() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("run-left");
        fs::create_dir_all(left.join("root/closed/inner")).unwrap();
        fs::set_permissions(left.join("root/closed"), fs::Permissions::from_mode(0o000)).unwrap();
        let _run = Scratch::create(parent.path(), "run-", &Silent, |_| Ok(())).unwrap();
        assert!(!left.exists());
    }

    #[test]
    fn a_folder_stays_as_long_as_something_else_is_left() {
        let parent = tempfile::tempdir().unwrap();
        let left = parent.path().join("run-left");
        fs::create_dir(&left).unwrap();
        fs::write(left.join(LOCK), "").unwrap();
        let failing: CleanUp = |_| Err(io::ErrorKind::TimedOut.into());
        drop(Scratch::create(parent.path(), "run-", &Silent, failing).unwrap());
        assert!(left.exists());
        drop(Scratch::create(parent.path(), "run-", &Silent, |_| Ok(())).unwrap());
        assert!(!left.exists());
    }

    #[test]
    fn an_unusable_parent_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Scratch::create(&file, "run-", &Silent, |_| Ok(())).unwrap_err();
        assert_eq!(error.path, file);
    }
}
