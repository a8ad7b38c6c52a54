//! The lock of a host's knobs: they are the whole host's, so one runner has them at a time.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::TuningError;
use super::place::Place;

/// The knobs are this process's as long as this lives.
#[derive(Debug)]
pub(crate) struct HostLock {
    _lock: Flock<File>,
}

impl HostLock {
    /// Takes the lock.
    ///
    /// # Errors
    ///
    /// [`TuningError::Taken`] when another process has it: it is not waited for, since a run may
    /// take hours.
    pub(crate) fn take(place: &Place) -> Result<Self, TuningError> {
        let failed = |path: &Path| {
            let path: PathBuf = path.to_owned();
            move |source| TuningError::Lock { path, source }
        };
        let folder = place.lock.parent().unwrap_or(Path::new("/"));
        // Who could open the lock could hold it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&place.lock)
            .map_err(failed(&place.lock))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self { _lock: lock }),
            Err((_, Errno::EWOULDBLOCK)) => Err(TuningError::Taken),
            Err((_, errno)) => Err(failed(&place.lock)(errno.into())),
        }
    }
}
