//! Becoming another program, between two jobs.
//!
//! ```text
//!  fetch ─► SHA-256 ─► `--version` ─► trial ─► exec ─► the server has spoken ─► put in place
//! ```
//!
//! A program takes this one's place only after it has reached the server with this one's command line,
//! twice: as a child ([`trial`]), and then in this one's stead ([`install`]). A program that failed by
//! itself is remembered, and not tried again; one that failed for a reason that passes is.

mod install;
mod trial;

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use bencher_channel_protocol::{Checksum, Excerpt, Update, UpdateChannel};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use super::driver::Event;
use super::{UpError, UpSpec, Updates};
use crate::Reporter;
use crate::download::{PinnedUrl, download};
use install::{Claimed, Memory, Record, Role};
use trial::{Patience, Trial};

pub use trial::TRIAL;
pub(super) use trial::{ALIVE_EVERY, say_alive, say_reached};

/// Makes this program another one.
#[derive(Debug)]
pub(super) struct Updater {
    channel: UpdateChannel,
    own: Checksum,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: u64,
    patience: Patience,
    ca_file: Option<PathBuf>,
    memory: Memory,
    reporter: Arc<dyn Reporter>,
    trial: Trial,
    is_cancelled: AtomicBool,
    place: Mutex<Place>,
}

/// Whose place this program has, and whose it is to take.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    /// This program is a new one, and the server has not spoken to it.
    own: Option<(Record, Option<Claimed>)>,
    /// The program that this one is to become.
    next: Option<(Record, Claimed)>,
}

/// Why a program is not taken.
struct Unfit {
    reason: String,
    /// Whether it is the program's own fault, and will be the same another time.
    is_final: bool,
}

impl Unfit {
    fn now(reason: String) -> Self {
        Self {
            reason,
            is_final: false,
        }
    }

    fn forever(reason: String) -> Self {
        Self {
            reason,
            is_final: true,
        }
    }

    fn stopped() -> Self {
        Self::now("the runner is stopping".to_owned())
    }
}

impl<E: std::error::Error> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self::now(error.to_string())
    }
}

impl Updater {
    /// # Errors
    ///
    /// [`UpError::Start`] when this program can not be read, [`UpError::State`] when it can not be
    /// remembered what became of an update.
    pub(super) fn new(
        updates: Updates,
        spec: &UpSpec,
        folder: &Path,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, UpError> {
        let own = checksum(&updates.program).map_err(UpError::Start)?;
        let memory = Memory::new(folder);
        let role = memory.role(&updates.program, reporter.as_ref());
        let role = role.map_err(|source| UpError::State {
            path: folder.to_owned(),
            source,
        })?;
        let place = match role {
            Role::InPlace => Place {
                program: updates.program,
                own: None,
                next: None,
            },
            Role::Candidate { record, claimed } => Place {
                program: record.program.clone(),
                own: Some((record, claimed)),
                next: None,
            },
        };
        install::remove_left_over(&place.program, reporter.as_ref());
        Ok(Self {
            channel: updates.channel,
            own,
            shared: Arc::new(Shared {
                most: updates.most.bytes(),
                patience: Patience {
                    poll: spec.poll_timeout.duration(),
                    drain: spec.drain_timeout,
                },
                ca_file: spec.ca_file.clone(),
                memory,
                reporter,
                trial: Trial::default(),
                is_cancelled: AtomicBool::new(false),
                place: Mutex::new(place),
            }),
        })
    }

    pub(super) fn channel(&self) -> UpdateChannel {
        self.channel
    }

    pub(super) fn own_checksum(&self) -> Checksum {
        self.own.clone()
    }

    /// Programs that were tried and are unfit.
    pub(super) fn rejected(&self) -> Vec<Checksum> {
        self.shared.memory.rejected()
    }

    /// How many new programs in a row were given up for now; none for one that has yet to come up.
    pub(super) fn failed(&self) -> u32 {
        match self.fallback() {
            Some(_) => 0,
            None => self.shared.memory.failed(),
        }
    }

    /// Tries a program on a thread of its own. What comes of it is told as an event.
    pub(super) fn begin(&self, update: Update, events: UnboundedSender<Event>) {
        let shared = Arc::clone(&self.shared);
        let checksum = update.checksum.clone();
        let failed = events.clone();
        let spawned = thread::Builder::new()
            .name("update".to_owned())
            .spawn(move || {
                let event = match shared.attempt(&update) {
                    Ok(()) => Event::Updated,
                    Err(unfit) => {
                        if unfit.is_final {
                            shared
                                .memory
                                .reject(&update.checksum, shared.reporter.as_ref());
                        }
                        Event::NotUpdated {
                            checksum: update.checksum,
                            error: unfit.reason,
                            is_final: unfit.is_final,
                        }
                    }
                };
                let _ended = events.send(event);
            });
        if let Err(error) = spawned {
            let _ended = failed.send(Event::NotUpdated {
                checksum,
                error: error.to_string(),
                is_final: false,
            });
        }
    }

    /// Ends what was begun; whether there is a trial, whose end is told as an event. Whatever else is
    /// being done is not worth waiting for.
    pub(super) fn stop(&self) -> bool {
        self.shared.is_cancelled.store(true, Ordering::Relaxed);
        self.shared.trial.stop()
    }

    /// The server has spoken: a new program has come up, and takes its place.
    pub(super) fn has_come_up(&self) {
        let Some((record, _claimed)) = self.shared.place().own.take() else {
            return;
        };
        let reporter = self.shared.reporter.as_ref();
        match record.install() {
            Ok(()) => reporter.info(&format!(
                "the new program is in the place of {}",
                record.program.display()
            )),
            Err(error) => reporter.warning(&format!(
                "failed to replace {}, so the old program will be started the next time: {error}",
                record.program.display()
            )),
        }
        let memory = &self.shared.memory;
        if let Err(error) = memory.clear().and_then(|()| memory.has_not_failed()) {
            reporter.warning(&format!("failed to end an update: {error}"));
        }
    }

    /// The program that is to be started in the place of this one.
    pub(super) fn next(&self) -> Option<PathBuf> {
        let place = self.shared.place();
        place
            .next
            .as_ref()
            .map(|(record, _)| record.candidate.clone())
    }

    /// Where the program is that is started if this one does not come up; `None` once it has.
    pub(super) fn fallback(&self) -> Option<PathBuf> {
        let place = self.shared.place();
        place.own.as_ref().map(|(record, _)| record.program.clone())
    }

    /// Gives up a new program that has not come up yet, without any fault of its own: it may be offered
    /// again.
    pub(super) fn give_up(&self) {
        let mut place = self.shared.place();
        let next = place.next.take().map(|(record, _)| record);
        let own = place.own.take().map(|(record, _)| record);
        drop(place);
        for record in next.into_iter().chain(own) {
            let removed = install::remove_if_there(&record.candidate)
                .and_then(|()| self.shared.memory.clear());
            if let Err(error) = removed {
                let path = record.candidate.display();
                self.shared
                    .reporter
                    .warning(&format!("failed to remove {path}: {error}"));
            }
        }
    }

    /// The same, and says to the program before this one that it is not to try it again at once.
    pub(super) fn give_up_for_now(&self) {
        self.shared.memory.has_failed(self.shared.reporter.as_ref());
        self.give_up();
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        self.shared.is_cancelled.store(true, Ordering::Relaxed);
        self.shared.trial.kill();
    }
}

impl Shared {
    fn place(&self) -> MutexGuard<'_, Place> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self, update: &Update) -> Result<(), Unfit> {
        let url = checked_url(&update.url)?;
        let program = self.place().program.clone();
        // Beside the program: a rename within a folder is atomic.
        let file = crate::destination::beside(&program, install::PREFIX).map_err(|error| {
            Unfit::now(format!(
                "the folder of {} can not be written: {error}",
                program.display()
            ))
        })?;
        let path = file.into_temp_path();
        let claimed = Claimed::new(&path)?
            .ok_or_else(|| Unfit::now("another runner removes the new program".to_owned()))?;
        let url = PinnedUrl {
            url,
            sha256: update.checksum.to_string(),
        };
        let ca_file = self.ca_file.as_deref();
        download(&url, &path, self.most, ca_file, &self.is_cancelled)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        File::open(&path)?.sync_all()?;
        trial::check_version(&path)?;
        self.reporter.info("trying the new program");
        self.trial.run(&path, self.patience)?;
        let record = Record {
            candidate: path.to_path_buf(),
            checksum: update.checksum.clone(),
            program,
        };
        self.memory.write(&record)?;
        // From now on the record says what becomes of it.
        path.keep().map_err(|error| error.error)?;
        self.place().next = Some((record, claimed));
        Ok(())
    }
}

/// An address that can be asked, and shown.
fn checked_url(url: &str) -> Result<String, Unfit> {
    let is_url = PinnedUrl::looks_like(url) && url.bytes().all(|byte| byte.is_ascii_graphic());
    if is_url {
        Ok(url.to_owned())
    } else {
        Err(Unfit::now(format!(
            "the server offers it at {}, which is no address: expected http://… or https://…",
            Excerpt::new(url)
        )))
    }
}

/// The checksum of a program, as servers publish it and runners know themselves by.
///
/// # Errors
///
/// When the file can not be read.
pub fn checksum(path: &Path) -> io::Result<Checksum> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok(Checksum::new(hasher.finalize().into()));
        }
        hasher.update(&buffer[..count]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_shown_without_its_tricks() {
        for url in [
            "https://host/\u{1b}[2J",
            "https://host/a b",
            "https://host/\u{202e}",
            "file:///etc/passwd",
            "",
        ] {
            let unfit = checked_url(url).unwrap_err();
            let is_harmless = unfit.reason.chars().all(crate::printable::is_printable);
            assert!(is_harmless && !unfit.is_final, "{}", unfit.reason);
        }
        assert!(checked_url("https://host/runner?x=%20").is_ok());
    }
}
