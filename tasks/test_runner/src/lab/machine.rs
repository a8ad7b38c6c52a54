//! The lab as a child process: boots it, gives it commands, notices when it is stuck.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::child::spawn;
use super::emulator::Emulator;
use super::freeze::FreezeDetector;
use super::interruption::{Interruption, Patience};
use super::last_words::{crash_in, end_of};
use super::plan::Plan;
use super::processor_time;
use super::protocol::{CHUNK, Decoder, Ended, Job, Message};

/// How often the lab is looked at.
const SAMPLE: Duration = Duration::from_secs(1);

/// The most bytes of results that one command may send.
const MAX_RESULTS: usize = 512 << 20;

/// What becomes of a command's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// It is this process's own, while it comes.
    Shown,
    /// It is in [`Finished::printed`].
    Kept,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) ended: Ended,
    /// What it wrote to both streams, if that was to be kept.
    pub(crate) printed: Vec<u8>,
    /// The tar of its results.
    pub(crate) results: Vec<u8>,
}

/// A running lab. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Machine {
    child: Child,
    stream: UnixStream,
    decoder: Decoder,
    detector: FreezeDetector,
    patience: Patience,
    booted: Instant,
    next_sample: Instant,
    console: PathBuf,
}

impl Machine {
    /// Boots the lab until it takes commands.
    ///
    /// # Errors
    ///
    /// As [`Interruption`] says.
    pub(crate) fn boot(
        emulator: &Emulator,
        plan: &Plan,
        patience: Patience,
    ) -> Result<Self, Interruption> {
        let (ours, theirs) = UnixStream::pair().context("cannot make a pair of sockets")?;
        // What an earlier lab said is not this one's.
        fs::write(&plan.console, "").context("cannot make a file for the console")?;
        let log = fs::File::create(plan.console.with_extension("qemu"))
            .context("cannot make a log for QEMU")?;
        let mut command = emulator.command();
        command
            .args(plan.arguments())
            .stdout(log.try_clone().context("cannot share QEMU's log")?)
            .stderr(log);
        let child = spawn(command, theirs.into())?;
        let mut machine = Self::new(child, ours, plan.console.clone(), patience)?;
        while machine.next(Some(patience.boot))? != Message::Ready {}
        Ok(machine)
    }

    fn new(
        child: Child,
        stream: UnixStream,
        console: PathBuf,
        patience: Patience,
    ) -> anyhow::Result<Self> {
        stream
            .set_read_timeout(Some(SAMPLE))
            .context("cannot set a socket's time-out")?;
        Ok(Self {
            child,
            stream,
            decoder: Decoder::default(),
            detector: FreezeDetector::new(patience.stillness),
            patience,
            booted: Instant::now(),
            next_sample: Instant::now() + SAMPLE,
            console,
        })
    }

    /// How long ago it was started.
    pub(crate) fn age(&self) -> Duration {
        self.booted.elapsed()
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// As [`Interruption`] says.
    pub(crate) fn run(&mut self, job: &Job, output: Output) -> Result<Finished, Interruption> {
        let mut stream = self.stream.try_clone().context("cannot share a socket")?;
        let sent = Message::Run(job.clone()).send(&mut stream);
        sent.map_err(|error| self.lost(error, "cannot send a command into the lab"))?;
        if job.input {
            // It ends with the process or with the lab: standard input can not be interrupted.
            thread::spawn(move || forward_input(io::stdin(), stream));
        }
        let (mut printed, mut results) = (Vec::new(), Vec::new());
        loop {
            match self.next(None)? {
                Message::Stdout(bytes) | Message::Stderr(bytes) if output == Output::Kept => {
                    printed.extend(bytes);
                }
                Message::Stdout(bytes) => pass_on(io::stdout().lock(), &bytes)?,
                Message::Stderr(bytes) => pass_on(io::stderr().lock(), &bytes)?,
                Message::Results(bytes) => {
                    if results.len() + bytes.len() > MAX_RESULTS {
                        return Err(anyhow::anyhow!(
                            "the results of a command exceed {} MiB",
                            MAX_RESULTS >> 20
                        )
                        .into());
                    }
                    results.extend(bytes);
                }
                Message::Ended(ended) => {
                    return Ok(Finished {
                        ended,
                        printed,
                        results,
                    });
                }
                Message::Ready | Message::Alive | Message::Run(_) | Message::Input(_) => {}
            }
        }
    }

    /// Waits for what the agent says next.
    fn next(&mut self, boot_limit: Option<Duration>) -> Result<Message, Interruption> {
        let mut buffer = vec![0; CHUNK];
        loop {
            if let Some(message) = self.decoder.next()? {
                return Ok(message);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.died()),
                Ok(length) => {
                    self.detector.heard();
                    self.decoder.push(&buffer[..length]);
                }
                Err(error) if is_time_out(&error) => {}
                Err(error) => return Err(self.lost(error, "cannot read what the lab says")),
            }
            self.look(boot_limit)?;
        }
    }

    /// Looks at the virtual processors, once per [`SAMPLE`].
    fn look(&mut self, boot_limit: Option<Duration>) -> Result<(), Interruption> {
        let now = Instant::now();
        if now < self.next_sample {
            return Ok(());
        }
        self.next_sample = now + SAMPLE;
        let used = processor_time::of_virtual_cpus(self.child.id());
        if self.detector.sample(self.age(), used) {
            return Err(Interruption::Frozen {
                stillness: self.patience.stillness,
            });
        }
        if let Some(boot) = boot_limit
            && self.age() >= boot
        {
            return Err(Interruption::BootTimeout {
                boot,
                console: self.last_words(),
            });
        }
        Ok(())
    }

    /// Why there is no connection.
    fn lost(&self, error: io::Error, failed: &'static str) -> Interruption {
        match error.kind() {
            // What a QEMU leaves that has ended.
            io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => self.died(),
            _ => anyhow::Error::from(error).context(failed).into(),
        }
    }

    fn died(&self) -> Interruption {
        match crash_in(&fs::read(&self.console).unwrap_or_default()) {
            Some(report) => Interruption::Crashed {
                report: report.join("\n  "),
            },
            None => Interruption::Died {
                console: self.last_words(),
            },
        }
    }

    /// The ends of the kernel's console and of what QEMU said of itself.
    fn last_words(&self) -> String {
        let said = [self.console.clone(), self.console.with_extension("qemu")];
        let ends = said.map(|path| end_of(&fs::read(path).unwrap_or_default()));
        let lines = ends.concat();
        if lines.is_empty() {
            "(it is empty)".to_owned()
        } else {
            lines.join("\n  ")
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _already_ended = self.child.kill();
        let _already_waited = self.child.wait();
    }
}

fn pass_on(mut to: impl io::Write, bytes: &[u8]) -> Result<(), Interruption> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .context("cannot pass the lab's output on")?;
    Ok(())
}

fn forward_input(mut from: impl io::Read, mut to: UnixStream) {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).unwrap_or(0);
        let sent = Message::Input(buffer[..length].to_vec()).send(&mut to);
        if length == 0 || sent.is_err() {
            return;
        }
    }
}

fn is_time_out(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lab that is a shell script with the port as its descriptor 3.
    fn machine(script: &str, console: PathBuf) -> Machine {
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let mut shell = crate::process::command("sh");
        shell.args(["-c", script]);
        let child = spawn(shell, theirs.into()).expect("it starts");
        Machine::new(child, ours, console, Patience::default()).expect("it is a socket")
    }

    #[test]
    fn a_child_that_ends_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let console = folder.path().join("console");
        fs::write(&console, "early\n\nlast\r\n").expect("it can be written");
        let error = machine("exit 1", console)
            .next(None)
            .expect_err("it has ended");
        assert!(!error.is_worth_another_try());
        assert!(error.to_string().ends_with("\n  early\n  last"), "{error}");
    }

    #[test]
    fn what_comes_through_the_port_is_understood() {
        // An agent that is ready and, at once, done.
        let script = r#"printf '\001\000\000\000\000\003\002\000\000\000ok' >&3
                        printf '\006\012\000\000\000{"Code":3}' >&3"#;
        let mut machine = machine(script, PathBuf::new());
        for expected in [
            Message::Ready,
            Message::Stdout(b"ok".to_vec()),
            Message::Ended(Ended::Code(3)),
        ] {
            assert_eq!(machine.next(None).expect("a message"), expected);
        }
    }
}
