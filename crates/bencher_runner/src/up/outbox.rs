//! Terminal messages on disk, one file a job, until the server has acknowledged them.
//!
//! A file is written beside its place, synced, and renamed, and the folder is synced: after that the
//! message survives a kill and a loss of power.
//!
//! Before a job is asked for, room is made for the longest message: a file whose blocks are there already.
//! When the job starts the room is its own, and its message is written into it, so that no other program,
//! and no output of the job, can take the place of its result on the disk:
//!
//! ```text
//!            make_room             begin               write             remove
//!  (nothing) ─────────► .room ──────────────► .room-JOB ─────► JOB.json ───────► (nothing)
//! ```

mod room;

use std::fs::{self, DirBuilder, File};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bencher_channel_protocol::Uuid;
use bencher_channel_protocol::runner::{Letter, NotLoaded};

use super::UpError;
use crate::Reporter;

/// How the names of files begin that are not whole yet.
const UNFINISHED: &str = ".new-";

/// How the names of files begin that hold no message, and are kept for whoever wants to know why.
const DAMAGED: &str = ".damaged-";

/// What the names of messages end with.
const EXTENSION: &str = ".json";

/// The folder of messages.
#[derive(Debug)]
pub(super) struct Outbox {
    folder: PathBuf,
    /// How long a message may be, in bytes.
    limit: usize,
}

impl Outbox {
    /// The outbox in a runner's folder, of messages of at most `limit` bytes.
    pub(super) fn open(runner: &Path, limit: usize) -> Result<Self, UpError> {
        let folder = runner.join("outbox");
        let outbox = Self { folder, limit };
        outbox.make_folder().map_err(|source| UpError::State {
            path: outbox.folder.clone(),
            source,
        })?;
        Ok(outbox)
    }

    /// Jobs whose messages were not acknowledged, the oldest first. What a kill has left half written is
    /// removed.
    pub(super) fn jobs(&self, reporter: &dyn Reporter) -> Result<Vec<Uuid>, UpError> {
        let failed = |source| UpError::State {
            path: self.folder.clone(),
            source,
        };
        let mut found: Vec<(SystemTime, Uuid)> = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with(UNFINISHED) || room::is_a_jobs(&name) {
                remove_left_over(&entry.path(), reporter);
            } else if let Some(job) = job_of(&name) {
                let metadata = entry.metadata().map_err(failed)?;
                let written = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
                found.push((written, job));
            }
        }
        found.sort();
        Ok(found.into_iter().map(|(_, job)| job).collect())
    }

    /// The message about a job. What is there and is none is put aside: it is never read again.
    pub(super) fn read(&self, job: Uuid, reporter: &dyn Reporter) -> Result<Letter, NotLoaded> {
        let path = self.path(job);
        let longest = Letter::longest_file(self.limit) as u64;
        let text = match read(&path, longest) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(NotLoaded::Lost(format!("{} is gone", path.display())));
            }
            Err(error) if error.kind() == ErrorKind::InvalidData => String::new(),
            Err(error) => {
                let problem = format!("failed to read {}: {error}", path.display());
                return Err(NotLoaded::Unreadable(problem));
            }
        };
        let letter = Letter::from_file(&text, self.limit);
        letter.filter(|letter| letter.job() == job).ok_or_else(|| {
            let aside = self.folder.join(format!("{DAMAGED}{job}"));
            if let Err(error) = fs::rename(&path, &aside) {
                reporter.warning(&format!("failed to keep {}: {error}", path.display()));
            }
            NotLoaded::Lost(format!(
                "what is in its file is no message about it (see {})",
                aside.display()
            ))
        })
    }

    /// Makes room for the longest message; does nothing where it is there.
    ///
    /// # Errors
    ///
    /// When the disk is full, or can not be written.
    pub(super) fn make_room(&self) -> io::Result<()> {
        self.make_folder()?;
        room::make(&self.folder, Letter::longest_file(self.limit) as u64)
    }

    /// Gives back the room that no job has: it is made again when it is needed.
    pub(super) fn give_back_room(&self) -> io::Result<()> {
        room::give_back(&self.folder)
    }

    /// Writes for good that a job was begun, and gives it room for its message.
    pub(super) fn begin(&self, job: Uuid) -> io::Result<()> {
        self.make_room()?;
        self.write(&Letter::abandoned(job, self.limit))?;
        room::give(&self.folder, job)
    }

    /// Writes a message for good, into its job's room if it has one.
    pub(super) fn write(&self, letter: &Letter) -> io::Result<()> {
        let (job, text) = (letter.job(), letter.to_file());
        let place = self.path(job);
        if let Some((mut file, path)) = room::of(&self.folder, job)? {
            file.write_all(text.as_bytes())?;
            file.set_len(text.len() as u64)?;
            file.sync_all()?;
            fs::rename(path, place)?;
        } else {
            self.make_folder()?;
            let mut file = tempfile::Builder::new()
                .prefix(UNFINISHED)
                .permissions(fs::Permissions::from_mode(0o600))
                .tempfile_in(&self.folder)?;
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(place).map_err(|error| error.error)?;
        }
        self.sync()
    }

    /// Removes the message about a job, and its room. A program that was tried may have done so.
    pub(super) fn remove(&self, job: Uuid) -> io::Result<()> {
        remove_if_there(&self.path(job))?;
        room::take(&self.folder, job)?;
        self.sync()
    }

    fn path(&self, job: Uuid) -> PathBuf {
        self.folder.join(format!("{job}{EXTENSION}"))
    }

    fn make_folder(&self) -> io::Result<()> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

/// The job whose message has this name.
fn job_of(name: &str) -> Option<Uuid> {
    let job: Uuid = name.strip_suffix(EXTENSION)?.parse().ok()?;
    // One job has one name.
    (job.to_string() == name.strip_suffix(EXTENSION)?).then_some(job)
}

fn read(path: &Path, longest: u64) -> io::Result<String> {
    let mut text = String::new();
    let count = File::open(path)?
        .take(longest.saturating_add(1))
        .read_to_string(&mut text)?;
    if count as u64 > longest {
        return Err(ErrorKind::InvalidData.into());
    }
    Ok(text)
}

fn remove_left_over(path: &Path, reporter: &dyn Reporter) {
    match fs::remove_file(path) {
        Ok(()) => reporter.debug(&format!("removed {}, which was left over", path.display())),
        Err(error) => {
            reporter.warning(&format!("failed to remove {}: {error}", path.display()));
        }
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
