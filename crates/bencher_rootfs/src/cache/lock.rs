//! Lock files that may be removed by whoever holds them exclusively.

use std::fs::{File, FileTimes, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::SystemTime;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::{CacheError, file_error};
use crate::error::RootfsError;
use crate::progress::Progress;

/// Who else may hold the lock at the same time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// Others that share it.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock that is held. The kernel gives it up with the file, also when the process dies.
#[derive(Debug)]
pub(super) struct Lock {
    file: File,
}

impl Lock {
    /// Locks exclusively, if nobody holds the lock.
    pub(super) fn try_exclusive(path: &Path) -> Result<Option<Self>, CacheError> {
        Self::try_lock(path, Mode::Exclusive)
    }

    /// Locks, unless someone else's lock forbids it.
    pub(super) fn try_lock(path: &Path, mode: Mode) -> Result<Option<Self>, CacheError> {
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        loop {
            let file = open(path)?;
            match flock(&file, operation) {
                Ok(()) if is_current(&file, path)? => return Ok(Some(Self { file })),
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(error) => return Err(file_error("lock", path, error.into())),
            }
        }
    }

    /// Whether somebody holds the lock. No file is made.
    pub(super) fn is_held(path: &Path) -> Result<bool, CacheError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other.map_err(|source| file_error("open", path, source))?,
        };
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(file_error("lock", path, error.into())),
        }
    }

    /// Locks as soon as the locks of others allow it.
    pub(super) fn wait(
        path: &Path,
        mode: Mode,
        progress: &dyn Progress,
    ) -> Result<Self, CacheError> {
        let operation = match mode {
            Mode::Shared => FlockOperation::LockShared,
            Mode::Exclusive => FlockOperation::LockExclusive,
        };
        loop {
            if progress.is_cancelled() {
                return Err(RootfsError::Cancelled.into());
            }
            let file = open(path)?;
            let (send, receive) = channel();
            let lock = move || {
                let locked = flock(&file, operation);
                // Who left this alone gives the lock up with the file.
                let _ = send.send((file, locked));
            };
            let waited = progress.wait(Box::new(lock));
            let (file, locked) =
                match waited.and_then(|()| receive.recv().map_err(io::Error::other)) {
                    Ok(waited) => waited,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                        return Err(RootfsError::Cancelled.into());
                    }
                    Err(source) => return Err(file_error("wait for", path, source)),
                };
            match locked {
                Ok(()) if is_current(&file, path)? => return Ok(Self { file }),
                Ok(()) | Err(Errno::INTR) => {}
                Err(error) => return Err(file_error("lock", path, error.into())),
            }
        }
    }

    /// Notes the present as the time of the last use.
    pub(super) fn touch(&self) -> Result<(), CacheError> {
        let times = FileTimes::new().set_modified(SystemTime::now());
        self.file
            .set_times(times)
            .map_err(|source| file_error("touch", Path::new("the lock file"), source))
    }
}

fn open(path: &Path) -> Result<File, CacheError> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| match (source.kind(), path.parent()) {
            (
                io::ErrorKind::PermissionDenied
                | io::ErrorKind::ReadOnlyFilesystem
                | io::ErrorKind::NotFound,
                Some(directory),
            ) => CacheError::Directory {
                path: directory.to_owned(),
                source,
            },
            _ => file_error("create", path, source),
        })
}

/// Whether the locked file is the one that others find under its name.
fn is_current(file: &File, path: &Path) -> Result<bool, CacheError> {
    let failed = |source| file_error("look at", path, source);
    let locked = file.metadata().map_err(failed)?;
    match path.metadata() {
        Ok(found) => Ok((found.dev(), found.ino()) == (locked.dev(), locked.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error)),
    }
}
