//! A runner while it runs: its output is read as it comes, and waited for.

use std::io::Read;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// What came from one of the runner's outputs so far.
#[derive(Debug, Default)]
struct Gathered {
    bytes: Vec<u8>,
    ended: bool,
}

/// An output that a thread reads.
#[derive(Debug)]
struct Output {
    gathered: Arc<(Mutex<Gathered>, Condvar)>,
    reader: JoinHandle<()>,
}

/// A started runner.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    stdout: Output,
    stderr: Output,
    /// Its position among the runs of its scenario.
    pub(crate) index: usize,
    started: Instant,
}

/// What a runner left when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How.
    pub(crate) status: ExitStatus,
    /// Everything that it wrote to its standard output.
    pub(crate) stdout: Vec<u8>,
    /// The same for its standard error.
    pub(crate) stderr: Vec<u8>,
    /// From its start to the end of its outputs.
    pub(crate) took: Duration,
}

impl Output {
    fn follow(mut pipe: impl Read + Send + 'static) -> Self {
        let gathered = Arc::new((Mutex::new(Gathered::default()), Condvar::new()));
        let shared = Arc::clone(&gathered);
        let reader = thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            loop {
                // An error is an end too: nothing more can come.
                let count = pipe.read(&mut buffer).unwrap_or(0);
                let mut gathered = lock(&shared.0);
                gathered.bytes.extend_from_slice(&buffer[..count]);
                gathered.ended = count == 0;
                shared.1.notify_all();
                if count == 0 {
                    return;
                }
            }
        });
        Self { gathered, reader }
    }

    fn wait_for(&self, text: &str) -> anyhow::Result<()> {
        let has = |gathered: &Gathered| {
            let mut windows = gathered.bytes.windows(text.len());
            windows.any(|window| window == text.as_bytes())
        };
        let mut gathered = lock(&self.gathered.0);
        while !has(&gathered) {
            if gathered.ended {
                bail!(
                    "the output ended without {text:?}; it was {:?}",
                    String::from_utf8_lossy(&gathered.bytes)
                );
            }
            gathered = self
                .gathered
                .1
                .wait(gathered)
                .unwrap_or_else(PoisonError::into_inner);
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<Vec<u8>> {
        let ended = self.reader.join();
        if ended.is_err() {
            bail!("the thread that reads an output of the runner has panicked");
        }
        Ok(std::mem::take(&mut lock(&self.gathered.0).bytes))
    }
}

fn lock(gathered: &Mutex<Gathered>) -> MutexGuard<'_, Gathered> {
    gathered.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Running {
    /// Follows `child`, whose outputs are pipes.
    pub(crate) fn follow(mut child: Child, index: usize) -> anyhow::Result<Self> {
        let stdout = child.stdout.take().context("its output is not a pipe")?;
        let stderr = child.stderr.take().context("its output is not a pipe")?;
        Ok(Self {
            child,
            stdout: Output::follow(stdout),
            stderr: Output::follow(stderr),
            index,
            started: Instant::now(),
        })
    }

    /// The process's id.
    pub(crate) fn id(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// Waits until `text` has come on standard output.
    ///
    /// # Errors
    ///
    /// When the output ends without it.
    pub(crate) fn wait_for(&self, text: &str) -> anyhow::Result<()> {
        let waited = self.stdout.wait_for(text);
        waited.with_context(|| {
            let stderr = lock(&self.stderr.gathered.0);
            format!(
                "the runner said {:?}",
                String::from_utf8_lossy(&stderr.bytes)
            )
        })
    }

    /// Whether the runner still runs.
    pub(crate) fn is_running(&mut self) -> anyhow::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Sends a signal to the runner alone.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        kill(Pid::from_raw(self.id()), signal).context("the runner can not be signalled")
    }

    /// Waits for its end, and that of everything that holds its outputs.
    pub(crate) fn finish(mut self) -> anyhow::Result<Ended> {
        let status = self
            .child
            .wait()
            .context("the runner can not be waited for")?;
        let (stdout, stderr) = (self.stdout.finish()?, self.stderr.finish()?);
        Ok(Ended {
            status,
            stdout,
            stderr,
            took: self.started.elapsed(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn shell(script: &str) -> Running {
        let child = Command::new("sh")
            .args(["-c", script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it can be started");
        Running::follow(child, 0).expect("its outputs are pipes")
    }

    #[test]
    fn a_line_is_seen_while_it_runs() {
        let mut running = shell("echo ready; exec sleep 1000");
        running.wait_for("ready\n").expect("it says so");
        assert!(running.is_running().expect("it is a child"));
        running.signal(Signal::SIGTERM).expect("it runs");
        let ended = running.finish().expect("it ends");
        assert_eq!(ended.stdout, b"ready\n");
        assert!(!ended.status.success());
    }

    #[test]
    fn a_line_that_does_not_come_is_an_error() {
        let running = shell("echo other; echo why >&2");
        let error = running.wait_for("ready\n").expect_err("it never comes");
        assert!(
            format!("{error:#}").contains("without \"ready\\n\""),
            "{error:#}"
        );
        let ended = running.finish().expect("it ends");
        assert_eq!(ended.stderr, b"why\n");
    }
}
