//! Lock files that may be renamed or removed by whoever holds them exclusively.
//!
//! So after locking one must look whether the file is still the one with that name, and start over
//! otherwise.

use std::fs::{File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::StoreError;
use super::error::{file_error, or_missing};
use crate::{Cancellation, LeftAlone};

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Others that share it.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock that is held. The kernel gives it up with the file, also when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: Flock<File>,
}

impl Lock {
    /// Locks as soon as the locks of others allow it.
    pub(super) fn wait(path: &Path, mode: Mode) -> Result<Self, StoreError> {
        let how = match mode {
            Mode::Shared => FlockArg::LockShared,
            Mode::Exclusive => FlockArg::LockExclusive,
        };
        loop {
            // Otherwise another file has the name by now.
            if let Some(lock) = lock_once(path, open(path)?, how)? {
                return Ok(lock);
            }
        }
    }

    /// Locks exclusively as soon as the locks of others allow it, unless `cancellation` comes first.
    pub(super) fn wait_unless(
        path: &Path,
        cancellation: &Cancellation,
    ) -> Result<Self, StoreError> {
        if let Some(lock) = Self::try_exclusive(path)? {
            return Ok(lock);
        }
        let waiting = path.to_owned();
        let wait = move || Self::wait(&waiting, Mode::Exclusive);
        cancellation
            .beside("lock", None, wait)
            .map_err(|error| match error {
                LeftAlone::NoThread(error) => file_error("wait for", path, error),
                LeftAlone::Cancelled | LeftAlone::TimedOut => StoreError::Cancelled,
            })?
    }

    /// Locks exclusively, unless somebody holds the lock.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, StoreError> {
        loop {
            match lock_once(path, open(path)?, FlockArg::LockExclusiveNonblock) {
                Ok(Some(lock)) => return Ok(Some(lock)),
                Ok(None) => {}
                Err(StoreError::File { cause, .. })
                    if cause.kind() == io::ErrorKind::WouldBlock =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether somebody holds the lock. No file is made.
    pub(super) fn is_held(path: &Path) -> Result<bool, StoreError> {
        let file = or_missing(File::open(path)).map_err(|cause| file_error("open", path, cause))?;
        let Some(file) = file else {
            return Ok(false);
        };
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(_given_up_at_once) => Ok(false),
            Err((_, Errno::EWOULDBLOCK)) => Ok(true),
            Err((_, error)) => Err(file_error("lock", path, error.into())),
        }
    }

    /// The locked file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Notes the present as the time of the last use.
    pub(super) fn touch(&self, path: &Path) -> Result<(), StoreError> {
        let times = FileTimes::new().set_modified(SystemTime::now());
        self.file
            .set_times(times)
            .map_err(|cause| file_error("touch", path, cause))
    }
}

/// `None` if the locked file is no longer the one with that name.
fn lock_once(path: &Path, mut file: File, how: FlockArg) -> Result<Option<Lock>, StoreError> {
    let file = loop {
        match Flock::lock(file, how) {
            Ok(locked) => break locked,
            Err((unlocked, Errno::EINTR)) => file = unlocked,
            Err((_, error)) => return Err(file_error("lock", path, error.into())),
        }
    };
    let failed = |cause| file_error("look at", path, cause);
    let locked = file.metadata().map_err(failed)?;
    let found = or_missing(path.metadata()).map_err(failed)?;
    let is_current =
        found.is_some_and(|found| (found.dev(), found.ino()) == (locked.dev(), locked.ino()));
    Ok(is_current.then_some(Lock { file }))
}

fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|cause| match path.parent() {
            Some(folder)
                if matches!(
                    cause.kind(),
                    io::ErrorKind::PermissionDenied
                        | io::ErrorKind::ReadOnlyFilesystem
                        | io::ErrorKind::NotFound
                ) =>
            {
                StoreError::Folder {
                    path: folder.to_owned(),
                    cause,
                }
            }
            _ => file_error("open", path, cause),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_lost_its_name_is_not_what_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let lock_of = |file| lock_once(&path, file, FlockArg::LockShared).unwrap();
        let first = open(&path).unwrap();
        std::fs::rename(&path, folder.path().join("blob")).unwrap();
        assert!(
            lock_of(first.try_clone().unwrap()).is_none(),
            "it was renamed"
        );
        let second = open(&path).unwrap();
        assert!(lock_of(first).is_none(), "another has its name");
        assert!(lock_of(second).is_some());
    }

    #[test]
    fn some_share_it_and_one_has_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!Lock::is_held(&path).unwrap() && !path.exists());
        let shared = [(); 2].map(|()| Lock::wait(&path, Mode::Shared).unwrap());
        assert!(Lock::is_held(&path).unwrap());
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(shared);
        assert!(!Lock::is_held(&path).unwrap());
        let alone = Lock::try_exclusive(&path).unwrap();
        assert!(alone.is_some() && Lock::is_held(&path).unwrap());
    }
}
