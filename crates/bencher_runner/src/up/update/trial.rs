//! A program that is tried: a child with this one's command line, that ends once the server has spoken
//! to it, and the job is over that it may have been given.
//!
//! It says on its standard output, a line each, when it has [`REACHED`] the server and, now and then, that
//! it is [`ALIVE`]. One that falls silent, or does not end well, is unfit.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Unfit;
use crate::process::die_with_this_thread;
use crate::said::{NothingSaid, VERSION_WITHIN, ask};
use crate::up::REPLACED;

/// The variable that says to a program that it is tried.
pub const TRIAL: &str = "BENCHER_RUNNER_UPDATE_TRIAL";

/// What a program that is tried says when the server has spoken to it.
const REACHED: &str = "reached";

/// What it says while it goes on.
const ALIVE: &str = "alive";

/// How often it says that.
pub(in crate::up) const ALIVE_EVERY: Duration = Duration::from_secs(3);

/// How long it may be silent.
const SILENCE: Duration = Duration::from_secs(30);

/// How long beyond a poll the server may take to speak, and how long beyond its drain timeout a trial may
/// take to end that was told to.
const MARGIN: Duration = Duration::from_mins(1);

/// Says to the program that tries this one that the server has spoken.
pub(in crate::up) fn say_reached() {
    say(REACHED);
}

/// Says to the program that tries this one that this one goes on.
pub(in crate::up) fn say_alive() {
    say(ALIVE);
}

fn say(line: &str) {
    let mut out = io::stdout().lock();
    // Who tries it sees that nothing comes.
    let _closed = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) poll: Duration,
    pub(super) drain: Duration,
}

/// The program that is being tried, if there is one.
#[derive(Debug, Default)]
pub(super) struct Trial {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    child: Option<Child>,
    /// Since when it is to end.
    stopped: Option<Instant>,
}

/// How a trial came to its end.
enum Course {
    /// It has closed its output.
    Over,
    /// It is given up.
    GivenUp(Unfit),
}

impl Trial {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it was told to end.
    pub(super) fn is_stopped(&self) -> bool {
        self.state().stopped.is_some()
    }

    /// Tells it to end, as a runner is told; whether there is one.
    pub(super) fn stop(&self) -> bool {
        let mut state = self.state();
        state.stopped.get_or_insert_with(Instant::now);
        let Some(child) = &state.child else {
            return false;
        };
        // It was not waited for: the number is its own.
        let _ended = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
        true
    }

    /// Ends it at once.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.stopped.get_or_insert_with(Instant::now);
        if let Some(child) = &mut state.child {
            // It may have ended.
            let _gone = child.kill();
        }
    }

    /// Runs the program with this one's command line, until it has ended.
    pub(super) fn run(&self, path: &Path, patience: Patience) -> Result<(), Unfit> {
        let mut command = Command::new(path);
        command
            .args(std::env::args_os().skip(1))
            .env(TRIAL, "1")
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            // A stop order from a terminal is passed on, once.
            .process_group(0);
        die_with_this_thread(&mut command);
        let mut state = self.state();
        if state.stopped.is_some() {
            return Err(Unfit::stopped());
        }
        let mut child = command.spawn().map_err(|error| Unfit::to_start(&error))?;
        let stdout = child.stdout.take();
        state.child = Some(child);
        drop(state);
        let (tell, lines) = channel();
        let _reader = thread::spawn(move || {
            let Some(stdout) = stdout else {
                return;
            };
            let mut stdout = BufReader::new(stdout);
            loop {
                let mut line = String::new();
                // What is no text or too long is no line of a runner's.
                match (&mut stdout).take(1024).read_line(&mut line) {
                    Ok(count) if count > 0 => {}
                    _ => break,
                }
                if tell.send(line.trim_end() == REACHED).is_err() {
                    break;
                }
            }
        });
        let mut has_reached = false;
        let course = self.watch(&lines, patience, &mut has_reached);
        let child = self.state().child.take();
        let Some(child) = child else {
            return Err(Unfit::now("the trial was given up".to_owned()));
        };
        let status = end(child, matches!(course, Course::GivenUp(_)));
        if let Course::GivenUp(unfit) = course {
            return Err(unfit);
        }
        if self.is_stopped() {
            return Err(Unfit::stopped());
        }
        judge(status?, has_reached)
    }

    fn watch(&self, lines: &Receiver<bool>, patience: Patience, has_reached: &mut bool) -> Course {
        let reach_by = Instant::now() + patience.poll + MARGIN;
        let mut silent_at = Instant::now() + SILENCE;
        loop {
            // A stop order can come at any time.
            match lines.recv_timeout(Duration::from_millis(200)) {
                Ok(is_reached) => {
                    *has_reached |= is_reached;
                    silent_at = Instant::now() + SILENCE;
                }
                Err(RecvTimeoutError::Disconnected) => return Course::Over,
                Err(RecvTimeoutError::Timeout) => {}
            }
            let now = Instant::now();
            let stopped = self.state().stopped;
            if stopped.is_some_and(|stopped| now > stopped + patience.drain + MARGIN) {
                return Course::GivenUp(Unfit::stopped());
            }
            if now > silent_at {
                return Course::GivenUp(Unfit::forever(format!(
                    "the new program has said nothing for {} s",
                    SILENCE.as_secs()
                )));
            }
            if !*has_reached && now > reach_by {
                return Course::GivenUp(Unfit::now(
                    "the new program has not reached the server in time".to_owned(),
                ));
            }
        }
    }
}

/// Waits for a child that has closed its output, or is killed.
fn end(mut child: Child, is_given_up: bool) -> io::Result<ExitStatus> {
    let until = Instant::now() + SILENCE;
    let mut is_dying = is_given_up;
    loop {
        if is_dying {
            // It may have ended.
            let _gone = child.kill();
            return child.wait();
        }
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        is_dying = Instant::now() > until;
        thread::sleep(Duration::from_millis(50));
    }
}

fn judge(status: ExitStatus, has_reached: bool) -> Result<(), Unfit> {
    let reason = match (status.success(), has_reached) {
        (true, true) => return Ok(()),
        (_, false) => format!("the new program ended before it had reached the server ({status})"),
        (false, true) => {
            format!("the new program has reached the server, but did not end well ({status})")
        }
    };
    // Whoever was killed was killed by somebody, and who has left the place to another one has done as told.
    let is_killed = status.signal() == Some(Signal::SIGKILL as i32);
    Err(if is_killed || status.code() == Some(REPLACED.into()) {
        Unfit::now(reason)
    } else {
        Unfit::forever(reason)
    })
}

/// A program that can not even say its version is none for this host.
pub(super) fn check_version(path: &Path) -> Result<(), Unfit> {
    let mut command = Command::new(path);
    let unfit = |reason: String| Unfit::forever(format!("it does not say its version: {reason}"));
    match ask(command.arg("--version"), VERSION_WITHIN) {
        Ok(said) if said.status.success() && said.stdout.starts_with("runner ") => Ok(()),
        // That is a busy host's doing, too.
        Err(late @ NothingSaid::Late(_)) => Err(Unfit {
            is_final: false,
            ..unfit(late.to_string())
        }),
        Err(NothingSaid::Io(error)) => Err(Unfit::to_start(&error)),
        Ok(said) => Err(unfit(said.status.to_string())),
    }
}

impl Unfit {
    /// It is not even a program of this host, or the host can not start one now.
    fn to_start(error: &io::Error) -> Self {
        let errno = error.raw_os_error().map(Errno::from_raw);
        Self {
            reason: format!("it can not be started: {error}"),
            is_final: matches!(errno, Some(Errno::ENOEXEC | Errno::ENOENT | Errno::EACCES)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_for_a_reason_that_passes_is_tried_again() {
        for (status, has_reached, is_final) in [
            (ExitStatus::from_raw(3 << 8), false, true),
            (ExitStatus::from_raw(125 << 8), true, true),
            (ExitStatus::from_raw(0), false, true),
            (ExitStatus::from_raw(Signal::SIGSEGV as i32), true, true),
            (ExitStatus::from_raw(Signal::SIGKILL as i32), true, false),
            (ExitStatus::from_raw(i32::from(REPLACED) << 8), false, false),
            (ExitStatus::from_raw(i32::from(REPLACED) << 8), true, false),
        ] {
            let unfit = judge(status, has_reached).unwrap_err();
            assert_eq!(unfit.is_final, is_final, "{}", unfit.reason);
        }
        assert!(judge(ExitStatus::from_raw(0), true).is_ok());
    }

    #[test]
    fn a_host_that_can_start_nothing_says_nothing_of_a_program() {
        for (errno, is_final) in [
            (Errno::ENOEXEC, true),
            (Errno::ENOENT, true),
            (Errno::EACCES, true),
            (Errno::EAGAIN, false),
            (Errno::ENOMEM, false),
            (Errno::EMFILE, false),
        ] {
            assert_eq!(Unfit::to_start(&errno.into()).is_final, is_final, "{errno}");
        }
    }
}
