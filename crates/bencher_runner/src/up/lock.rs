//! One `runner up` per machine and runner, and one job per machine.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use bencher_channel_protocol::RunnerId;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::geteuid;

use super::UpError;

/// A runner's folder, which is this process's as long as this lives.
#[derive(Debug)]
pub(super) struct RunnerFolder {
    path: PathBuf,
    /// `None` where the program that tries this one has it.
    _lock: Option<Flock<File>>,
}

impl RunnerFolder {
    /// The folder of `runner`, which the program that tries this one has locked.
    pub(super) fn borrow(state: &Path, runner: &RunnerId) -> Self {
        Self {
            path: folder(state, runner),
            _lock: None,
        }
    }

    /// Makes and locks the folder of `runner` below the state folder.
    ///
    /// # Errors
    ///
    /// [`UpError::Taken`] when another process has it.
    pub(super) fn take(state: &Path, runner: &RunnerId) -> Result<Self, UpError> {
        let path = folder(state, runner);
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| UpError::State { path, source }
        };
        // Results are in it, which are nobody else's business.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&path)
            .map_err(failed(&path))?;
        let file_path = path.join("lock");
        match try_lock(&file_path).map_err(failed(&file_path))? {
            Some(lock) => Ok(Self {
                path,
                _lock: Some(lock),
            }),
            None => Err(UpError::Taken {
                runner: runner.to_string(),
                path: file_path,
            }),
        }
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// The machine is this job's as long as this lives: two at a time would measure each other.
#[derive(Debug)]
pub(super) struct Turn {
    _lock: Flock<File>,
}

impl Turn {
    /// Takes the machine; `None` while a job of another runner has it. All that root's runners have in
    /// common is the machine; an ordinary user's have the state folder in common.
    pub(super) fn take(state: &Path) -> io::Result<Option<Self>> {
        let folder = if geteuid().is_root() {
            PathBuf::from("/run/bencher-runner")
        } else {
            state.join("up")
        };
        // Who could open the lock could hold it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)?;
        let lock = try_lock(&folder.join("job.lock"))?;
        Ok(lock.map(|lock| Self { _lock: lock }))
    }
}

/// The lock of a file, which is made if it is missing; `None` while another process has it.
fn try_lock(path: &Path) -> io::Result<Option<Flock<File>>> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, errno)) => Err(errno.into()),
    }
}

fn folder(state: &Path, runner: &RunnerId) -> PathBuf {
    state.join("up").join(runner.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_a_runner() {
        let state = tempfile::tempdir().unwrap();
        let runner = "bench-1".parse().unwrap();
        let first = RunnerFolder::take(state.path(), &runner).unwrap();
        let error = RunnerFolder::take(state.path(), &runner).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("another `runner up` of bench-1 runs"),
            "{error}"
        );
        RunnerFolder::take(state.path(), &"bench-2".parse().unwrap()).unwrap();
        drop(first);
        RunnerFolder::take(state.path(), &runner).unwrap();
    }
}
