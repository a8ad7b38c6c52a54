//! A process that is needed beside what is tried, such as a server. What it says goes to a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::process::{describe, die_with_this_thread};
use crate::watchdog::Care;

/// A started process. It is killed with this value, and with the thread that started it.
#[derive(Debug)]
pub(crate) struct Companion {
    child: Child,
    program: String,
    care: Care,
}

impl Companion {
    /// Starts `command` in a process group of its own, which is in `care`. Its standard error is added
    /// to `log`. `lines` gets each line of its standard output until it says that it has what it wants.
    ///
    /// # Errors
    ///
    /// When it can not be started, or its output ends before that.
    pub(crate) fn start(
        mut command: Command,
        log: &Path,
        care: &Care,
        lines: Option<&mut dyn FnMut(&str) -> bool>,
    ) -> anyhow::Result<Self> {
        let program = describe(&command);
        let file = File::options().create(true).append(true).open(log)?;
        die_with_this_thread(&mut command);
        let child = command
            .stdin(Stdio::null())
            .stdout(match lines {
                Some(_) => Stdio::piped(),
                None => Stdio::null(),
            })
            .stderr(file)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{program} can not be started"))?;
        let mut companion = Self {
            child,
            program,
            care: care.clone(),
        };
        care.watch(companion.id());
        if let Some(lines) = lines {
            let listened = companion.listen(lines);
            listened.with_context(|| format!("{} may say why", log.display()))?;
        }
        Ok(companion)
    }

    fn listen(&mut self, lines: &mut dyn FnMut(&str) -> bool) -> anyhow::Result<()> {
        let stdout = self.child.stdout.take();
        let mut stdout = BufReader::new(stdout.context("its output is not a pipe")?);
        let mut line = String::new();
        while stdout.read_line(&mut line)? > 0 {
            if lines(line.trim_end()) {
                // It would stop if nobody read what else it says.
                thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
                return Ok(());
            }
            line.clear();
        }
        bail!("{} said nothing of use", self.program)
    }

    /// The process's id, which is also that of its group.
    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// Sends it a signal.
    ///
    /// # Errors
    ///
    /// When it has ended.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.id()), signal)
            .with_context(|| format!("{} has ended already", self.program))
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// When it can not be waited for.
    pub(crate) fn wait(mut self) -> anyhow::Result<ExitStatus> {
        Ok(self.child.wait()?)
    }

    /// Ends it as an administrator would.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub(crate) fn stop(self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait()
    }

    /// Ends it as a crash would.
    ///
    /// # Errors
    ///
    /// When it has ended before.
    pub(crate) fn kill(self) -> anyhow::Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait().map(|_| ())
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have ended already.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
        self.care.release(self.id());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn start(
        script: &str,
        log: &Path,
        lines: Option<&mut dyn FnMut(&str) -> bool>,
    ) -> anyhow::Result<Companion> {
        Companion::start(shell(script), log, &Care::default(), lines)
    }

    #[test]
    fn it_is_listened_to_until_it_has_said_enough() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let mut said = Vec::new();
        let mut lines = |line: &str| {
            said.push(line.to_owned());
            line == "two"
        };
        let script = "echo one; echo error >&2; echo two; exec sleep 1000";
        let companion = start(script, &log, Some(&mut lines)).expect("it says it");
        let status = companion.stop().expect("it runs");
        assert!(!status.success());
        assert_eq!(said, ["one", "two"]);
        let text = std::fs::read_to_string(&log).expect("there is one");
        assert_eq!(text, "error\n");
        let silent = start("exit 0", &log, Some(&mut |_| true));
        let error = format!("{:#}", silent.expect_err("it says nothing"));
        assert!(error.contains("said nothing of use"), "{error}");
    }

    #[test]
    fn it_ends_with_its_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let companion = start("exec sleep 1000", &log, None).expect("it can be started");
        let process = Path::new("/proc").join(companion.id().to_string());
        assert!(process.exists());
        drop(companion);
        assert!(!process.exists());
    }

    #[test]
    fn it_does_not_outlive_the_thread_that_started_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("log");
        let started = thread::spawn(move || start("exec sleep 20", &log, None));
        let companion = started.join().expect("it does not panic");
        let status = companion.expect("it can be started").wait();
        let signal = status.expect("it is a child").signal();
        assert_eq!(signal, Some(Signal::SIGKILL as i32));
    }
}
