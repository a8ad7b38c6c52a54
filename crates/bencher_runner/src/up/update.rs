//! Becoming another program, between two jobs.
//!
//! ```text
//!  fetch ─► SHA-256 ─► `--version` ─► trial: `up` until the server has spoken ─► put in place ─► exec
//! ```
//!
//! A program takes this one's place only after it has reached the server with this one's command line.
//! The trial is a child that ends once the server has answered it, or given it a job that it has carried
//! out. What was in its place stays beside it as `.previous`, and is put back if the new one can not be
//! started. A program that failed by itself is remembered, and not tried again.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use bencher_channel_protocol::{Checksum, Update, UpdateChannel};
use sha2::{Digest as _, Sha256};
use tokio::sync::mpsc::UnboundedSender;

use super::driver::Event;
use super::{UpError, Updates};
use crate::Reporter;
use crate::download::{PinnedUrl, download};

/// The variable that says to a program that it is tried.
pub const TRIAL: &str = "BENCHER_RUNNER_UPDATE_TRIAL";

/// What a program that is tried says when the server has spoken to it.
const REACHED: &str = "reached";

/// How long `--version` may take.
const VERSION_WITHIN: Duration = Duration::from_secs(20);

/// How long a trial may take until the server has spoken: the longest poll, and some more.
const REACHED_WITHIN: Duration = Duration::from_mins(16);

/// The most programs that are remembered as unfit.
const MOST_REJECTED: usize = 100;

/// Tells the program that tries this one that the server has spoken.
pub(super) fn say_reached() {
    let mut out = io::stdout().lock();
    // Who tries it sees that nothing comes.
    let _closed = writeln!(out, "{REACHED}").and_then(|()| out.flush());
}

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
    program: PathBuf,
    rejected_file: PathBuf,
    reporter: Arc<dyn Reporter>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    trial: Option<Child>,
    is_done: bool,
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
}

impl<E: std::error::Error> From<E> for Unfit {
    fn from(error: E) -> Self {
        Self::now(error.to_string())
    }
}

impl Updater {
    /// # Errors
    ///
    /// [`UpError::Start`] when this program can not be read.
    pub(super) fn new(
        updates: Updates,
        folder: &Path,
        reporter: Arc<dyn Reporter>,
    ) -> Result<Self, UpError> {
        let own = checksum(&updates.program).map_err(UpError::Start)?;
        Ok(Self {
            channel: updates.channel,
            own,
            shared: Arc::new(Shared {
                most: updates.most.bytes(),
                program: updates.program,
                rejected_file: folder.join("rejected"),
                reporter,
                state: Mutex::default(),
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
        let text = fs::read_to_string(&self.shared.rejected_file).unwrap_or_default();
        text.lines().filter_map(|line| line.parse().ok()).collect()
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
                    Ok(()) => {
                        shared.state().is_done = true;
                        Event::Updated
                    }
                    Err(unfit) => {
                        if unfit.is_final {
                            shared.reject(&update.checksum);
                        }
                        Event::NotUpdated {
                            checksum: update.checksum,
                            error: unfit.reason,
                        }
                    }
                };
                let _ended = events.send(event);
            });
        if let Err(error) = spawned {
            let error = error.to_string();
            let _ended = failed.send(Event::NotUpdated { checksum, error });
        }
    }

    /// Whether another program is in the place of this one.
    pub(super) fn is_done(&self) -> bool {
        self.shared.state().is_done
    }
}

impl Drop for Updater {
    fn drop(&mut self) {
        if let Some(trial) = &mut self.shared.state().trial {
            // It may have ended.
            let _gone = trial.kill();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempt(&self, update: &Update) -> Result<(), Unfit> {
        // Beside the program: a rename within a folder is atomic.
        let file =
            crate::destination::beside(&self.program, ".runner-update-").map_err(|error| {
                Unfit::now(format!(
                    "the folder of {} can not be written: {error}",
                    self.program.display()
                ))
            })?;
        let path = file.into_temp_path();
        let url = PinnedUrl {
            url: update.url.clone(),
            sha256: update.checksum.to_string(),
        };
        download(&url, &path, self.most, &AtomicBool::new(false))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        File::open(&path)?.sync_all()?;
        check_version(&path)?;
        self.reporter.info("trying the new program");
        self.try_out(&path)?;
        self.put_in_place(&path).map_err(|error| {
            Unfit::now(format!(
                "failed to replace {}: {error}",
                self.program.display()
            ))
        })?;
        // It is not there any more under this name.
        let _gone = path.close();
        Ok(())
    }

    /// Runs the program with this one's command line, until it has reached the server.
    fn try_out(&self, path: &Path) -> Result<(), Unfit> {
        let mut child = Command::new(path)
            .args(std::env::args_os().skip(1))
            .env(TRIAL, "1")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| Unfit::forever(format!("it can not be started: {error}")))?;
        let stdout = child.stdout.take();
        self.state().trial = Some(child);
        let (tell, told) = channel();
        let _reader = thread::spawn(move || {
            let mut line = String::new();
            if let Some(stdout) = stdout {
                let mut first = BufReader::new(stdout.take(1024));
                let _unreadable = first.read_line(&mut line);
            }
            let _late = tell.send(line.trim_end() == REACHED);
        });
        let has_reached = told.recv_timeout(REACHED_WITHIN);
        let mut state = self.state();
        let Some(mut child) = state.trial.take() else {
            return Err(Unfit::now("the trial was given up".to_owned()));
        };
        drop(state);
        match has_reached {
            Ok(true) => {
                // It may have a job to finish.
                child.wait()?;
                Ok(())
            }
            Ok(false) => {
                let status = child.wait()?;
                Err(Unfit::forever(format!(
                    "the new program ended before it had reached the server ({status})"
                )))
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                let _gone = child.kill();
                let _waited = child.wait();
                Err(Unfit::now(
                    "the new program has not reached the server in time".to_owned(),
                ))
            }
        }
    }

    fn put_in_place(&self, path: &Path) -> io::Result<()> {
        let previous = previous(&self.program);
        match fs::remove_file(&previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // At no moment there is no program.
        fs::hard_link(&self.program, &previous)?;
        fs::rename(path, &self.program)?;
        if let Some(folder) = self.program.parent() {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }

    fn reject(&self, checksum: &Checksum) {
        let text = fs::read_to_string(&self.rejected_file).unwrap_or_default();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.push(checksum.to_string());
        let surplus = lines.len().saturating_sub(MOST_REJECTED);
        let text = lines[surplus..].join("\n");
        if let Err(error) = fs::write(&self.rejected_file, text) {
            self.reporter.warning(&format!(
                "failed to remember in {} that an update is unfit: {error}",
                self.rejected_file.display()
            ));
        }
    }
}

/// A program that can not even say its version is none for this host.
fn check_version(path: &Path) -> Result<(), Unfit> {
    let unfit = |reason: String| Unfit::forever(format!("it does not say its version: {reason}"));
    let mut child = Command::new(path)
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| unfit(error.to_string()))?;
    let stdout = child.stdout.take();
    let (tell, told) = channel();
    let _reader = thread::spawn(move || {
        let mut text = String::new();
        let read = stdout.map(|stdout| stdout.take(1024).read_to_string(&mut text));
        let _late = tell.send(read.map(|_| text));
    });
    let text = told.recv_timeout(VERSION_WITHIN);
    if text.is_err() {
        let _gone = child.kill();
    }
    let status = child.wait().map_err(|error| unfit(error.to_string()))?;
    match text {
        Ok(Some(text)) if status.success() && text.starts_with("runner ") => Ok(()),
        Ok(_) => Err(unfit(format!("{status}"))),
        Err(_) => Err(unfit(format!(
            "nothing within {} s",
            VERSION_WITHIN.as_secs()
        ))),
    }
}

/// Where the program is that was in the place of `program` before.
fn previous(program: &Path) -> PathBuf {
    let mut name = program.file_name().unwrap_or_default().to_owned();
    name.push(".previous");
    program.with_file_name(name)
}

/// Puts back what was in the place of `program` before the update: the new one can not be started.
///
/// # Errors
///
/// When it is not there, or the folder can not be written.
pub fn put_back(program: &Path) -> io::Result<()> {
    fs::rename(previous(program), program)
}

fn checksum(path: &Path) -> io::Result<Checksum> {
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
