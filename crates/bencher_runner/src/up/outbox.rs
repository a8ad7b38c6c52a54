//! Terminal messages on disk, one file a job, until the server has acknowledged them.
//!
//! A file is written beside its place, synced, and renamed, and the folder is synced: after that the
//! message survives a kill and a loss of power.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bencher_channel_protocol::Uuid;
use bencher_channel_protocol::runner::{Letter, MOST_LETTERS};

use super::UpError;
use crate::Reporter;

/// The longest file that is read, in bytes: a message of 4 MiB that is a string in JSON.
const LONGEST: u64 = 64 << 20;

/// How the names of files begin that are not whole yet.
const UNFINISHED: &str = ".new-";

/// The folder of messages.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
}

impl Outbox {
    /// The outbox in a runner's folder.
    pub(super) fn open(runner: &Path) -> Result<Self, UpError> {
        let folder = runner.join("outbox");
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(|source| UpError::State {
            path: folder.clone(),
            source,
        })?;
        Ok(Self { folder })
    }

    /// What was not acknowledged, the oldest first. What is no message is removed, what a kill has left
    /// half written as well, and so are the oldest beyond the most that are kept.
    pub(super) fn load(
        &self,
        limit: usize,
        reporter: &dyn Reporter,
    ) -> Result<Vec<Letter>, UpError> {
        let failed = |source| UpError::State {
            path: self.folder.clone(),
            source,
        };
        let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let metadata = entry.metadata().map_err(failed)?;
            if metadata.is_file() {
                let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((written, entry.path()));
            }
        }
        found.sort();
        let mut letters = Vec::new();
        for (_, path) in found {
            if is_unfinished(&path) {
                discard(&path, "it was not written to its end", reporter);
                continue;
            }
            let letter = read(&path)
                .ok()
                .and_then(|text| Letter::from_file(&text, limit));
            match letter {
                Some(letter) if path == self.path(letter.job()) => letters.push((letter, path)),
                Some(_) => discard(&path, "it is not in its place", reporter),
                None => discard(&path, "it holds no message", reporter),
            }
        }
        let surplus = letters.len().saturating_sub(MOST_LETTERS);
        for (_, path) in letters.drain(..surplus) {
            discard(&path, "there are too many", reporter);
        }
        Ok(letters.into_iter().map(|(letter, _)| letter).collect())
    }

    /// Writes a message for good.
    pub(super) fn write(&self, letter: &Letter) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .permissions(fs::Permissions::from_mode(0o600))
            .tempfile_in(&self.folder)?;
        file.write_all(letter.to_file().as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(self.path(letter.job()))
            .map_err(|error| error.error)?;
        self.sync()
    }

    /// Removes the message about a job. A program that was tried may have done so.
    pub(super) fn remove(&self, job: Uuid) -> io::Result<()> {
        match fs::remove_file(self.path(job)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => self.sync(),
        }
    }

    fn path(&self, job: Uuid) -> PathBuf {
        self.folder.join(format!("{job}.json"))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with(UNFINISHED))
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.len() > LONGEST {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    fs::read_to_string(path)
}

fn discard(path: &Path, reason: &str, reporter: &dyn Reporter) {
    reporter.warning(&format!("{} is removed: {reason}", path.display()));
    if let Err(error) = fs::remove_file(path) {
        reporter.warning(&format!("failed to remove {}: {error}", path.display()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Silent;

    fn letter(number: u128) -> Letter {
        Letter::abandoned(Uuid::from_u128(number), 1 << 20)
    }

    fn jobs(outbox: &Outbox) -> Vec<u128> {
        let letters = outbox.load(1 << 20, &Silent).unwrap();
        letters
            .iter()
            .map(|letter| letter.job().as_u128())
            .collect()
    }

    #[test]
    fn what_is_written_is_there_until_it_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.write(&letter(2)).unwrap();
        outbox.write(&letter(1)).unwrap();
        let age = |job: u128, seconds| {
            let file = File::options()
                .write(true)
                .open(outbox.path(Uuid::from_u128(job)));
            let when = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.unwrap().set_modified(when).unwrap();
        };
        age(2, 100);
        age(1, 200);
        let again = Outbox::open(folder.path()).unwrap();
        assert_eq!(jobs(&again), [2, 1], "the oldest first");
        assert_eq!(again.load(1 << 20, &Silent).unwrap()[0], letter(2));
        let mode = fs::metadata(outbox.path(Uuid::from_u128(1)))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        again.remove(Uuid::from_u128(2)).unwrap();
        assert_eq!(jobs(&outbox), [1]);
        again.remove(Uuid::from_u128(2)).unwrap();
    }

    /// A kill between the last byte and the rename leaves a whole message under another name.
    #[test]
    fn what_a_kill_has_left_is_no_second_message() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        outbox.write(&letter(1)).unwrap();
        for name in [".new-abc", "copy.json"] {
            let whole = fs::read(outbox.path(Uuid::from_u128(1))).unwrap();
            fs::write(outbox.folder.join(name), whole).unwrap();
        }
        assert_eq!(jobs(&outbox), [1]);
        assert_eq!(fs::read_dir(&outbox.folder).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_message_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        let path = outbox.folder.join("half.json");
        fs::write(&path, "{\"needs").unwrap();
        assert!(jobs(&outbox).is_empty());
        assert!(!path.exists());
    }

    #[test]
    fn there_is_a_limit_to_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path()).unwrap();
        for number in 0..=MOST_LETTERS {
            outbox.write(&letter(number as u128)).unwrap();
        }
        assert_eq!(jobs(&outbox).len(), MOST_LETTERS);
        assert_eq!(jobs(&outbox).len(), MOST_LETTERS, "what is beyond is gone");
    }
}
