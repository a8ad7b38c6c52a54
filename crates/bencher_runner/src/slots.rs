//! Numbers that processes share out among themselves: each has what it took for as long as it
//! lives, and what a killed one left is known.
//!
//! ```text
//! FOLDER/.lock   held while anything below is read or changed
//! FOLDER/N       locked by the process that has the number N; not empty while it says so
//! ```
//!
//! A lock goes with its process, however that ends: a number that is not empty and not locked is
//! left over.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

/// The numbers of a folder, which nobody else reads or changes as long as this lives.
#[derive(Debug)]
pub(crate) struct Slots {
    folder: PathBuf,
    _lock: Flock<File>,
}

/// A number that is this process's as long as this lives.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) number: u32,
    path: PathBuf,
    file: Flock<File>,
}

/// Why numbers can not be shared out.
#[derive(Debug, Error)]
#[error("failed to use {}: {source}", path.display())]
pub(crate) struct SlotError {
    /// The file or folder.
    pub(crate) path: PathBuf,
    /// Why.
    pub(crate) source: io::Error,
}

impl Slots {
    /// The numbers of `folder`, which is made if it is missing. Blocks while another process has
    /// them.
    pub(crate) fn open(folder: &Path) -> Result<Self, SlotError> {
        // Nobody else's business; and who could open the locks could hold them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder))?;
        let path = folder.join(".lock");
        let lock = Flock::lock(open(&path)?, FlockArg::LockExclusive)
            .map_err(|(_, errno)| failed(&path)(errno.into()))?;
        Ok(Self {
            folder: folder.to_owned(),
            _lock: lock,
        })
    }

    /// Where more can be kept for all of them.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first number that nobody has.
    pub(crate) fn take(&self) -> Result<Slot, SlotError> {
        let mut number = 0;
        loop {
            if let Some(slot) = self.lock(number)? {
                return Ok(slot);
            }
            number += 1;
        }
    }

    /// A number, unless another process has it.
    pub(crate) fn lock(&self, number: u32) -> Result<Option<Slot>, SlotError> {
        let path = self.folder.join(number.to_string());
        match Flock::lock(open(&path)?, FlockArg::LockExclusiveNonblock) {
            Ok(file) => Ok(Some(Slot { number, path, file })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(failed(&path)(errno.into())),
        }
    }

    /// Numbers that are marked, but whose process is no more.
    pub(crate) fn left_over(&self) -> Result<Vec<Slot>, SlotError> {
        let mut found = Vec::new();
        for number in self.numbers()? {
            if let Some(slot) = self.lock(number)?
                && slot.is_marked()?
            {
                found.push(slot);
            }
        }
        Ok(found)
    }

    /// What those say who have a number.
    pub(crate) fn marks(&self) -> Result<Vec<String>, SlotError> {
        let mut found = Vec::new();
        for number in self.numbers()? {
            if self.lock(number)?.is_none() {
                let path = self.folder.join(number.to_string());
                found.push(fs::read_to_string(&path).map_err(failed(&path))?);
            }
        }
        Ok(found)
    }

    /// Whether nobody has a number, but for `own`.
    pub(crate) fn is_alone(&self, own: &Slot) -> Result<bool, SlotError> {
        for number in self.numbers()? {
            if number != own.number && self.lock(number)?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn numbers(&self) -> Result<Vec<u32>, SlotError> {
        let entries = fs::read_dir(&self.folder)
            .and_then(Iterator::collect::<io::Result<Vec<_>>>)
            .map_err(failed(&self.folder))?;
        let number = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse().ok();
        Ok(entries.iter().filter_map(number).collect())
    }
}

impl Slot {
    /// Says `text`, which stays until it is cleared, whatever becomes of this process.
    pub(crate) fn mark(&mut self, text: &str) -> Result<(), SlotError> {
        self.clear()?;
        writeln!(self.file, "{text}").map_err(failed(&self.path))
    }

    /// Whether something is said, by this process or by one before it.
    pub(crate) fn is_marked(&self) -> Result<bool, SlotError> {
        let metadata = self.file.metadata().map_err(failed(&self.path))?;
        Ok(metadata.len() > 0)
    }

    /// Says nothing any more.
    pub(crate) fn clear(&mut self) -> Result<(), SlotError> {
        self.file.set_len(0).map_err(failed(&self.path))
    }
}

fn open(path: &Path) -> Result<File, SlotError> {
    // Appended to: what is written after it was emptied begins at its beginning.
    File::options()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> SlotError + use<> {
    let path = path.to_owned();
    move |source| SlotError { path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn each_number_is_given_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::open(folder.path()).unwrap();
        let first = slots.take().unwrap();
        assert!(slots.is_alone(&first).unwrap());
        let second = slots.take().unwrap();
        assert_eq!((first.number, second.number), (0, 1));
        assert!(!slots.is_alone(&first).unwrap());
        assert!(slots.lock(0).unwrap().is_none());
        drop(first);
        assert_eq!(slots.take().unwrap().number, 0);
    }

    #[test]
    fn what_is_marked_and_free_is_left_over() {
        let folder = tempfile::tempdir().unwrap();
        let slots = Slots::open(folder.path()).unwrap();
        let mut killed = slots.take().unwrap();
        let mut living = slots.take().unwrap();
        killed.mark("run-a.1").unwrap();
        living.mark("run-b.1").unwrap();
        assert!(slots.left_over().unwrap().is_empty());
        drop(killed);
        assert_eq!(slots.marks().unwrap(), ["run-b.1\n"]);
        let mut left = slots.left_over().unwrap();
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].number, 0);
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

    #[test]
    fn others_can_not_hold_the_locks() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        let slots = Slots::open(&below).unwrap();
        let slot = slots.lock(3).unwrap().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&below), 0o700);
        assert_eq!(mode(&below.join(".lock")), 0o600);
        assert_eq!(mode(&slot.path), 0o600);
    }
}
