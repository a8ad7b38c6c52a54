//! Which numbers are in use by the guests of this host, and what a killed runner left behind.
//!
//! ```text
//! /run/bencher-runner/network/NAMESPACE/.lock   held while anything below is read or changed
//! /run/bencher-runner/network/NAMESPACE/N       locked by the runner that uses the number N;
//!                                               not empty while something of it is on the host
//! ```
//!
//! `NAMESPACE` is the inode of the host's network namespace: a host may have several, each with
//! interfaces and rules of its own. A lock goes with its process, however that ends: a number that
//! is not empty and not locked is left over.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::NetworkError;

/// One place for the whole host, as interfaces are, and gone with a reboot, as they are.
const PLACE: &str = "/run/bencher-runner/network";

/// The list of numbers, which nobody else reads or changes as long as this lives.
#[derive(Debug)]
pub(super) struct Slots {
    folder: PathBuf,
    _lock: Flock<File>,
}

/// A number that is this process's as long as this lives.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: u32,
    path: PathBuf,
    file: Flock<File>,
}

impl Slots {
    /// The list of this network namespace, made if it is missing.
    pub(super) fn open() -> Result<Self, NetworkError> {
        let folder = folder()?;
        Self::open_in(&folder)
    }

    /// The same, unless there is none: then nothing was ever made.
    pub(super) fn open_if_any() -> Result<Option<Self>, NetworkError> {
        let folder = folder()?;
        if !folder.is_dir() {
            return Ok(None);
        }
        Self::open_in(&folder).map(Some)
    }

    pub(super) fn open_in(folder: &Path) -> Result<Self, NetworkError> {
        fs::create_dir_all(folder).map_err(reserve_error(folder))?;
        let path = folder.join(".lock");
        let lock = Flock::lock(open(&path)?, FlockArg::LockExclusive)
            .map_err(|(_, errno)| reserve_error(&path)(errno.into()))?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Where more can be kept for all of them.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first number that nobody uses and that is `fit`; `None` when a number beyond the last
    /// one is reached, for which `fit` has no answer.
    pub(super) fn take(
        &self,
        mut fit: impl FnMut(u32) -> Option<bool>,
    ) -> Result<Option<Slot>, NetworkError> {
        for number in 0.. {
            let Some(is_fit) = fit(number) else { break };
            if !is_fit {
                continue;
            }
            if let Some(slot) = self.lock(number)? {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Numbers of which something is on the host, but no longer their runner.
    pub(super) fn left_over(&self) -> Result<Vec<Slot>, NetworkError> {
        let mut found = Vec::new();
        for number in self.numbers()? {
            let path = self.folder.join(number.to_string());
            let marked = fs::metadata(&path).map_err(reserve_error(&path))?.len() > 0;
            if marked {
                found.extend(self.lock(number)?);
            }
        }
        Ok(found)
    }

    /// Whether nobody uses a number, but for `own`.
    pub(super) fn is_alone(&self, own: &Slot) -> Result<bool, NetworkError> {
        for number in self.numbers()? {
            if number != own.number && self.lock(number)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn numbers(&self) -> Result<Vec<u32>, NetworkError> {
        let failed = reserve_error(&self.folder);
        let entries = fs::read_dir(&self.folder)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(failed)?;
        let number = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.iter().filter_map(number).collect())
    }

    fn lock(&self, number: u32) -> Result<Option<Slot>, NetworkError> {
        let path = self.folder.join(number.to_string());
        match Flock::lock(open(&path)?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Slot { number, path, file })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(reserve_error(&path)(errno.into())),
        }
    }
}

impl Slot {
    /// Says that something of it is about to be on the host.
    pub(super) fn mark(&mut self, run: &str) -> Result<(), NetworkError> {
        let failed = reserve_error(&self.path);
        writeln!(self.file, "{run}").map_err(failed)
    }

    /// Says that nothing of it is on the host any more.
    pub(super) fn clear(&mut self) -> Result<(), NetworkError> {
        let failed = reserve_error(&self.path);
        self.file.set_len(0).map_err(failed)
    }
}

fn folder() -> Result<PathBuf, NetworkError> {
    let namespace = Path::new("/proc/self/ns/net");
    let inode = fs::metadata(namespace)
        .map_err(reserve_error(namespace))?
        .ino();
    Ok(Path::new(PLACE).join(inode.to_string()))
}

fn open(path: &Path) -> Result<File, NetworkError> {
    // Appended to: what is written after it was emptied begins at its beginning.
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .map_err(reserve_error(path))
}

fn reserve_error(path: &Path) -> impl FnOnce(io::Error) -> NetworkError + use<> {
    let path = path.to_owned();
    move |source| NetworkError::Reserve { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(most: u32) -> impl FnMut(u32) -> Option<bool> {
        move |number| (number < most).then_some(true)
    }

    #[test]
    fn each_number_is_given_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::open_in(folder.path()).unwrap();
        let first = slots.take(below(2)).unwrap().unwrap();
        assert!(slots.is_alone(&first).unwrap());
        let second = slots.take(below(2)).unwrap().unwrap();
        assert_eq!((first.number, second.number), (0, 1));
        assert!(!slots.is_alone(&first).unwrap());
        assert!(slots.take(below(2)).unwrap().is_none());
        drop(first);
        assert_eq!(slots.take(below(2)).unwrap().unwrap().number, 0);
        let unfit = slots.take(|number| (number < 2).then_some(false));
        assert!(unfit.unwrap().is_none());
    }

    #[test]
    fn what_is_marked_and_free_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::open_in(folder.path()).unwrap();
        let mut killed = slots.take(below(9)).unwrap().unwrap();
        let mut living = slots.take(below(9)).unwrap().unwrap();
        killed.mark("run-a.1").unwrap();
        living.mark("run-b.1").unwrap();
        assert!(slots.left_over().unwrap().is_empty());
        drop(killed);
        let mut left = slots.left_over().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].number, 0);
        left[0].clear().unwrap();
        left[0].mark("run-c.1").unwrap();
        let content = fs::read_to_string(folder.path().join("0")).unwrap();
        assert_eq!(content, "run-c.1\n");
        left[0].clear().unwrap();
        drop(left);
        assert!(slots.left_over().unwrap().is_empty());
        living.clear().unwrap();
        drop(living);
        assert!(slots.left_over().unwrap().is_empty());
    }
}
