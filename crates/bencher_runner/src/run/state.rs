//! Run folders, and what earlier runners left of theirs.
//!
//! ```text
//! runs/.lock            held while folders are made or swept
//! runs/<id>/.lock       held by the runner that uses the folder, for as long as it lives
//! runs/<id>/…           copies of root filesystems
//! ```
//!
//! A lock goes with its process, however that ends: a folder whose lock is free is left over.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use bencher_rootfs::remove_extracted;
use nix::fcntl::{Flock, FlockArg};

use super::RunError;
use crate::Reporter;

/// A folder for one run, removed when dropped.
#[derive(Debug)]
pub(crate) struct RunFolder {
    path: PathBuf,
    _lock: Flock<File>,
}

const LOCK: &str = ".lock";

impl RunFolder {
    /// Removes what earlier runners left below `state`, then makes a folder for this one.
    pub(crate) fn create(state: &Path, reporter: &dyn Reporter) -> Result<Self, RunError> {
        let runs = state.join("runs");
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| RunError::State { path, source }
        };
        fs::create_dir_all(&runs).map_err(failed(&runs))?;
        // Without it another runner could sweep a folder whose lock is not taken yet.
        let _making = lock(&runs.join(LOCK), FlockArg::LockExclusive).map_err(failed(&runs))?;
        sweep(&runs, reporter);
        let path = tempfile::Builder::new()
            .prefix("run-")
            .tempdir_in(&runs)
            .map_err(failed(&runs))?
            .keep();
        let held = lock(&path.join(LOCK), FlockArg::LockExclusiveNonblock);
        Ok(Self {
            _lock: held.map_err(failed(&path))?,
            path,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for RunFolder {
    fn drop(&mut self) {
        // What can not be removed now is swept by the next runner.
        let _swept_later = remove_extracted(&self.path);
    }
}

fn lock(path: &Path, how: FlockArg) -> io::Result<Flock<File>> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    Flock::lock(file, how).map_err(|(_, errno)| errno.into())
}

/// Removes the folders of runners that are no more.
fn sweep(runs: &Path, reporter: &dyn Reporter) {
    let entries = match fs::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) => {
            reporter.warning(&format!("failed to look for left-over runs: {error}"));
            return;
        }
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if !path.is_dir() {
            continue;
        }
        let Ok(_free) = lock(&path.join(LOCK), FlockArg::LockExclusiveNonblock) else {
            continue;
        };
        match remove_extracted(&path) {
            Ok(()) => reporter.debug(&format!("removed the left-over run {}", path.display())),
            Err(error) => reporter.warning(&format!(
                "failed to remove the left-over run {}: {error}",
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

    fn runs(state: &Path) -> usize {
        fs::read_dir(state.join("runs"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().is_dir())
            .count()
    }

    #[test]
    fn a_folder_lives_as_long_as_its_runner() {
        let state = tempfile::tempdir().unwrap();
        let first = RunFolder::create(state.path(), &Silent).unwrap();
        let second = RunFolder::create(state.path(), &Silent).unwrap();
        assert_eq!(runs(state.path()), 2, "the first is in use");
        assert_ne!(first.path(), second.path());
        drop(first);
        assert_eq!(runs(state.path()), 1);
    }

    #[test]
    fn what_is_left_over_is_swept() {
        let state = tempfile::tempdir().unwrap();
        let left = state.path().join("runs/run-left");
        fs::create_dir_all(left.join("root/closed/inner")).unwrap();
        fs::set_permissions(left.join("root/closed"), fs::Permissions::from_mode(0o000)).unwrap();
        let _run = RunFolder::create(state.path(), &Silent).unwrap();
        assert!(!left.exists());
    }
}
