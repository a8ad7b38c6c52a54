//! The program that takes this one's place.
//!
//! ```text
//!  runner ── exec ─► .runner-update-… ── the server has spoken to it ─► renamed to runner
//!     ▲                     │
//!     └──── the next start ─┴─ it does not come up
//! ```
//!
//! Until the server has spoken to the new program in this one's life, the old one is in its place: whoever
//! starts the service anew starts the old one, which learns from the record that the new one has not come
//! up, and does not try it again.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use bencher_channel_protocol::Checksum;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::checksum;
use crate::Reporter;

/// How the names of programs begin that are not in their place yet.
pub(super) const PREFIX: &str = ".runner-update-";

/// The most programs that are remembered as unfit.
const MOST_REJECTED: usize = 100;

/// What is remembered of updates, in a runner's folder.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    folder: PathBuf,
}

/// The program that is about to be started in the place of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Whose place it is to take.
    pub(super) program: PathBuf,
    /// Where it is until then.
    pub(super) candidate: PathBuf,
    pub(super) checksum: Checksum,
}

/// A new program's file, which is nobody else's to remove as long as this lives.
#[derive(Debug)]
pub(super) struct Claimed {
    _lock: Flock<File>,
}

impl Claimed {
    /// Claims the file; `None` where another process has.
    pub(super) fn new(path: &Path) -> io::Result<Option<Self>> {
        // Not for writing: such a file can not be executed.
        match Flock::lock(File::open(path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { _lock: lock })),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(errno.into()),
        }
    }
}

impl Memory {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn record_file(&self) -> PathBuf {
        self.folder.join("update.json")
    }

    fn rejected_file(&self) -> PathBuf {
        self.folder.join("rejected")
    }

    fn failed_file(&self) -> PathBuf {
        self.folder.join("failed-updates")
    }

    /// Remembers the program that is about to be started.
    pub(super) fn write(&self, record: &Record) -> io::Result<()> {
        let mut file = crate::destination::beside(&self.record_file(), ".new-update-")?;
        serde_json::to_writer(&mut file, record)?;
        file.flush()?;
        file.as_file().sync_all()?;
        file.persist(self.record_file())
            .map_err(|error| error.error)?;
        File::open(&self.folder)?.sync_all()
    }

    /// The program that was about to be started, if nothing more was heard of it.
    pub(super) fn read(&self) -> Option<Record> {
        let text = fs::read_to_string(self.record_file()).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Nothing is about to be started.
    pub(super) fn clear(&self) -> io::Result<()> {
        remove_if_there(&self.record_file())
    }

    /// Programs that are unfit.
    pub(super) fn rejected(&self) -> Vec<Checksum> {
        let text = fs::read_to_string(self.rejected_file()).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
    }

    pub(super) fn reject(&self, checksum: &Checksum, reporter: &dyn Reporter) {
        let path = self.rejected_file();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.push(checksum.to_string());
        let surplus = lines.len().saturating_sub(MOST_REJECTED);
        let text = lines[surplus..].join("\n");
        if let Err(error) = fs::write(&path, text) {
            reporter.warning(&format!(
                "failed to remember in {} that an update is unfit: {error}",
                path.display()
            ));
        }
    }

    /// How many new programs in a row had to give way for a reason that passes.
    pub(super) fn failed(&self) -> u32 {
        let text = fs::read_to_string(self.failed_file()).unwrap_or_default();
        text.trim().parse().unwrap_or_default()
    }

    /// One more has.
    pub(super) fn has_failed(&self, reporter: &dyn Reporter) {
        let (path, failed) = (self.failed_file(), self.failed().saturating_add(1));
        if let Err(error) = fs::write(&path, failed.to_string()) {
            reporter.warning(&format!(
                "failed to remember in {} that an update is to be tried later: {error}",
                path.display()
            ));
        }
    }

    /// One has not.
    pub(super) fn has_not_failed(&self) -> io::Result<()> {
        remove_if_there(&self.failed_file())
    }

    /// What this program is: the one in its place, or a new one that has yet to come up. A new one that
    /// has not is rejected here by the one that is started after it.
    pub(super) fn role(&self, own: &Path, reporter: &dyn Reporter) -> io::Result<Role> {
        let Some(record) = self.read() else {
            self.clear()?;
            return Ok(Role::InPlace);
        };
        let is_it =
            record.candidate == own && checksum(own).ok().as_ref() == Some(&record.checksum);
        if is_it {
            let claimed = Claimed::new(own)?;
            return Ok(Role::Candidate { record, claimed });
        }
        // It was killed between its installation and this.
        let is_installed =
            record.program == own && checksum(own).ok().as_ref() == Some(&record.checksum);
        if is_installed {
            self.clear()?;
            return Ok(Role::InPlace);
        }
        reporter.warning(
            "the new program has not come up: the one before goes on, and does not try it again",
        );
        self.reject(&record.checksum, reporter);
        remove_if_there(&record.candidate)?;
        self.clear()?;
        Ok(Role::InPlace)
    }
}

/// What this program is.
#[derive(Debug)]
pub(super) enum Role {
    /// The runner.
    InPlace,
    /// One that becomes it once the server has spoken to it.
    Candidate {
        record: Record,
        claimed: Option<Claimed>,
    },
}

impl Record {
    /// Puts the program in its place. The one before stays beside it.
    pub(super) fn install(&self) -> io::Result<()> {
        let previous = previous(&self.program);
        remove_if_there(&previous)?;
        // At no moment there is no program.
        fs::hard_link(&self.program, &previous)?;
        fs::rename(&self.candidate, &self.program)?;
        match self.program.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Where the program is that was in the place of `program` before.
fn previous(program: &Path) -> PathBuf {
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push(".previous");
    program.with_file_name(name)
}

/// Removes new programs beside `program` that a killed runner has left.
pub(super) fn remove_left_over(program: &Path, reporter: &dyn Reporter) {
    let Some(Ok(entries)) = program.parent().map(fs::read_dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_one = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        if !is_one {
            continue;
        }
        // Another runner of this program may be about to become it.
        let removed = match Claimed::new(&path) {
            Ok(Some(_claimed)) => fs::remove_file(&path),
            Ok(None) => continue,
            Err(error) => Err(error),
        };
        match removed {
            Ok(()) => reporter.debug(&format!("removed {}, which was left over", path.display())),
            Err(error) => {
                reporter.warning(&format!("failed to remove {}: {error}", path.display()));
            }
        }
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reporter::Silent;

    struct Place {
        folder: tempfile::TempDir,
        record: Record,
        memory: Memory,
    }

    fn place() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let (program, candidate) = (
            folder.path().join("runner"),
            folder.path().join(".runner-update-x"),
        );
        fs::write(&program, "old").unwrap();
        fs::write(&candidate, "new").unwrap();
        let record = Record {
            checksum: checksum(&candidate).unwrap(),
            program,
            candidate,
        };
        let memory = Memory::new(folder.path());
        memory.write(&record).unwrap();
        Place {
            folder,
            record,
            memory,
        }
    }

    #[test]
    fn a_new_program_takes_the_place_and_the_old_one_stays_beside_it() {
        let place = place();
        let role = place.memory.role(&place.record.candidate, &Silent).unwrap();
        assert!(matches!(
            role,
            Role::Candidate {
                claimed: Some(_),
                ..
            }
        ));
        place.record.install().unwrap();
        place.memory.clear().unwrap();
        assert_eq!(fs::read(&place.record.program).unwrap(), b"new");
        let previous = place.folder.path().join("runner.previous");
        assert_eq!(fs::read(previous).unwrap(), b"old");
        let role = place.memory.role(&place.record.program, &Silent).unwrap();
        assert!(matches!(role, Role::InPlace));
        assert!(place.memory.rejected().is_empty());
    }

    #[test]
    fn a_new_program_that_was_killed_as_it_took_the_place_has_it() {
        let place = place();
        place.record.install().unwrap();
        let role = place.memory.role(&place.record.program, &Silent).unwrap();
        assert!(matches!(role, Role::InPlace));
        assert!(place.memory.rejected().is_empty());
        assert_eq!(place.memory.read(), None);
    }

    #[test]
    fn a_new_program_that_has_not_come_up_is_rejected_by_the_old_one() {
        let place = place();
        let role = place.memory.role(&place.record.program, &Silent).unwrap();
        assert!(matches!(role, Role::InPlace));
        assert_eq!(
            place.memory.rejected(),
            std::slice::from_ref(&place.record.checksum)
        );
        assert!(!place.record.candidate.exists());
        assert_eq!(place.memory.read(), None);
        assert_eq!(fs::read(&place.record.program).unwrap(), b"old");
    }

    #[test]
    fn what_is_left_over_is_removed_unless_somebody_has_it() {
        let place = place();
        let claimed = Claimed::new(&place.record.candidate).unwrap().unwrap();
        remove_left_over(&place.record.program, &Silent);
        assert!(place.record.candidate.exists());
        drop(claimed);
        remove_left_over(&place.record.program, &Silent);
        assert!(!place.record.candidate.exists());
        assert!(place.record.program.exists());
    }
}
