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
    /// `None` where it is not known whose it is.
    _lock: Option<Flock<File>>,
}

impl Turn {
    /// What a job has on a machine that does not tell who has it.
    pub(super) fn unknown() -> Self {
        Self { _lock: None }
    }
}

/// The line of those that wait for the machine.
///
/// There is one place in it, before all who would only ask for a job: without it a runner whose queue is long
/// would have the machine again before anybody else has seen that it was free.
#[derive(Debug)]
pub(super) struct Line {
    folder: PathBuf,
    /// The place, while this one has it.
    place: Option<Flock<File>>,
}

impl Line {
    /// All that root's runners have in common is the machine; an ordinary user's have the state folder in
    /// common.
    pub(super) fn new(state: &Path) -> Self {
        Self::in_folder(if geteuid().is_root() {
            PathBuf::from("/run/bencher-runner")
        } else {
            state.join("up")
        })
    }

    fn in_folder(folder: PathBuf) -> Self {
        let place = None;
        Self { folder, place }
    }

    /// Takes the machine; `None` while a job of another runner has it.
    pub(super) fn take(&mut self) -> io::Result<Option<Turn>> {
        self.stand()?;
        let lock = self.lock("job.lock")?;
        if lock.is_some() {
            self.place = None;
        }
        Ok(lock.map(|lock| Turn { _lock: Some(lock) }))
    }

    /// Whether the machine is nobody's, and nobody waits for it who came before.
    pub(super) fn is_free(&mut self) -> io::Result<bool> {
        Ok(self.stand()? && self.take()?.is_some())
    }

    /// Takes the place, if it is nobody else's; whether it is this one's.
    fn stand(&mut self) -> io::Result<bool> {
        if self.place.is_none() {
            self.place = self.lock("next.lock")?;
        }
        Ok(self.place.is_some())
    }

    fn lock(&self, name: &str) -> io::Result<Option<Flock<File>>> {
        // Who could open the lock could hold it.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)?;
        try_lock(&self.folder.join(name))
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

    #[test]
    fn who_waits_has_the_machine_next() {
        let folder = tempfile::tempdir().unwrap();
        let line = || Line::in_folder(folder.path().join("line"));
        let (mut first, mut second, mut third) = (line(), line(), line());
        let turn = first.take().unwrap().unwrap();
        assert!(!second.is_free().unwrap());
        drop(turn);
        assert!(!first.is_free().unwrap(), "the second waits");
        assert!(!third.is_free().unwrap());
        assert!(second.is_free().unwrap());
        assert!(first.is_free().unwrap(), "nobody waits any more");
        // A job that was given out waits like those that would ask.
        let turn = second.take().unwrap().unwrap();
        assert!(third.take().unwrap().is_none());
        drop(turn);
        assert!(!first.is_free().unwrap());
        assert!(third.take().unwrap().is_some());
    }
}
