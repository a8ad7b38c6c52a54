//! What a program says of itself before it is trusted with anything: its first words, within a time.

use std::io::{self, Read};
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use thiserror::Error;

use crate::process::forget_environment;

/// How long a program may take to say its version: one on a disk that has to spin up takes a while.
pub(crate) const VERSION_WITHIN: Duration = Duration::from_secs(20);

/// How much is read of each of its outputs, in bytes. What says more is killed by what it says.
const MOST: u64 = 4096;

/// What a program has said until it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Why it is not known what a program says.
#[derive(Debug, Error)]
pub(crate) enum NothingSaid {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it has not ended within {} s", .0.as_secs())]
    Late(Duration),
}

/// Runs `command`, which is killed if it takes longer than `within`. It hears nothing of this process's secrets.
pub(crate) fn ask(command: &mut Command, within: Duration) -> Result<Said, NothingSaid> {
    let until = Instant::now() + within;
    forget_environment(command, &[]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let said = listen(&mut child, until);
    if said.is_err() {
        // It may have ended.
        let _gone = child.kill();
    }
    let status = child.wait();
    match said {
        Ok((stdout, stderr)) => Ok(Said {
            status: status?,
            stdout,
            stderr,
        }),
        Err(None) => Err(NothingSaid::Late(within)),
        Err(Some(error)) => Err(error.into()),
    }
}

/// Both outputs of a child that has ended; an error that is none, if it is late.
fn listen(child: &mut Child, until: Instant) -> Result<(String, String), Option<io::Error>> {
    let stdout = beginning(child.stdout.take());
    let stderr = beginning(child.stderr.take());
    let left = || until.saturating_duration_since(Instant::now());
    let text = |texts: Receiver<String>| match texts.recv_timeout(left()) {
        Ok(text) => Ok(text),
        Err(RecvTimeoutError::Timeout) => Err(None),
        // There was no such output.
        Err(RecvTimeoutError::Disconnected) => Ok(String::new()),
    };
    let texts = (text(stdout)?, text(stderr)?);
    // Its outputs are closed, which is not its end.
    let pid = Pid::from_child(child);
    let ended = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| Some(error.into()))?;
    loop {
        let timeout = PollTimeout::try_from(left()).unwrap_or(PollTimeout::MAX);
        let mut ends = [PollFd::new(ended.as_fd(), PollFlags::POLLIN)];
        match poll(&mut ends, timeout) {
            Ok(0) => return Err(None),
            Ok(_) => return Ok(texts),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(Some(error.into())),
        }
    }
}

/// Reads on a thread of its own: whoever has inherited an output may keep it open for ever.
fn beginning(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = channel();
    if let Some(output) = output {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            // What came before an error is what it said.
            let _ended = output.take(MOST).read_to_end(&mut bytes);
            // Nobody waits any more if it was late.
            let _late = tell.send(String::from_utf8_lossy(&bytes).into_owned());
        });
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any of them takes that is not made to hang.
    const LONG: Duration = Duration::from_mins(2);
    /// No longer than it has to be: these never end by themselves.
    const SHORT: Duration = Duration::from_millis(100);

    fn say(script: &str, within: Duration) -> Result<Said, NothingSaid> {
        ask(Command::new("/bin/sh").args(["-c", script]), within)
    }

    #[test]
    fn all_that_is_said_is_told() {
        let said = say("echo version 1; echo but >&2; exit 3", LONG).unwrap();
        assert_eq!(said.stdout, "version 1\n");
        assert_eq!(said.stderr, "but\n");
        assert_eq!(said.status.code(), Some(3));
        let error = ask(&mut Command::new("/no/such/program"), LONG).unwrap_err();
        assert!(matches!(error, NothingSaid::Io(_)), "{error}");
    }

    #[test]
    fn who_does_not_end_is_not_waited_for() {
        for script in [
            "exec sleep infinity",
            "exec sleep infinity >&- 2>&-",
            // Its child has its outputs.
            "sleep 600 & exit 0",
        ] {
            let late = say(script, SHORT).unwrap_err();
            assert!(matches!(late, NothingSaid::Late(SHORT)), "{script}: {late}");
        }
    }

    #[test]
    fn who_never_stops_talking_is_cut_short() {
        let said = say("while :; do echo yes; done", LONG).unwrap();
        assert_eq!(said.stdout.len() as u64, MOST);
        assert!(!said.status.success());
    }
}
