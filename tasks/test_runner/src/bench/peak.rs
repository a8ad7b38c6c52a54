//! The most memory that one process used, without that of its children.
//!
//! `wait4` would tell the larger one of the process and its children, among them QEMU with the
//! guest's memory. So the process is traced to its exit, where its high-water mark is read.

use std::fs;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context as _, bail};
use nix::sys::ptrace::{self, Options};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::process::{command, describe};

/// A program that waits to be let go.
#[derive(Debug)]
pub(crate) struct Traced {
    child: Child,
    name: String,
}

impl Traced {
    /// Starts `program` up to the point where it becomes itself; its standard output goes to
    /// `stdout`, its standard error nowhere. Of its settings its arguments and its environment are
    /// used.
    ///
    /// # Errors
    ///
    /// When it can not be started.
    pub(crate) fn start(program: &Command, stdout: Stdio) -> anyhow::Result<Self> {
        // The shell waits for its input to end, then becomes the program: nothing of the program
        // goes by before it is traced.
        let mut shell = command("sh");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let child = shell
            .args(["-c", "read -r _; exec \"$@\"", "sh"])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a shell")?;
        Ok(Self {
            child,
            name: describe(program),
        })
    }

    /// Its standard output, if that is a pipe.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Lets it run to its end and returns its largest resident set in MiB.
    ///
    /// # Errors
    ///
    /// When it can not be traced, or fails.
    pub(crate) fn resident_mebibytes(mut self) -> anyhow::Result<f64> {
        let process = Pid::from_raw(self.child.id().try_into()?);
        ptrace::seize(process, Options::PTRACE_O_TRACEEXIT)
            .with_context(|| format!("`{}` can not be traced", self.name))?;
        drop(self.child.stdin.take());
        until_exit(process).with_context(|| format!("`{}`", self.name))
    }
}

fn until_exit(process: Pid) -> anyhow::Result<f64> {
    let mut peak = None;
    loop {
        match waitpid(process, None)? {
            WaitStatus::PtraceEvent(_, _, event) => {
                if event == nix::libc::PTRACE_EVENT_EXIT {
                    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
                    peak = high_water(&status);
                }
                ptrace::cont(process, None)?;
            }
            // A signal that is about to be delivered is.
            WaitStatus::Stopped(_, signal) => ptrace::cont(process, Some(signal))?,
            WaitStatus::Exited(_, 0) => {
                return peak.context("its memory could not be read at its exit");
            }
            WaitStatus::Exited(_, code) => bail!("it exited with {code}"),
            WaitStatus::Signaled(_, signal, _) => bail!("{signal} ended it"),
            _ => {}
        }
    }
}

/// `VmHWM` of `/proc/PID/status` in MiB.
fn high_water(status: &str) -> Option<f64> {
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?
        .trim()
        .strip_suffix(" kB")?
        .parse()
        .ok()?;
    Some(kibibytes / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::command;

    #[test]
    fn the_high_water_mark_is_read() {
        assert_eq!(high_water("Name:\tx\nVmHWM:\t    2048 kB\n"), Some(2.0));
        assert_eq!(high_water("Name:\tx\n"), None);
    }

    fn peak(program: &str, arguments: &[&str]) -> anyhow::Result<f64> {
        Traced::start(command(program).args(arguments), Stdio::null())?.resident_mebibytes()
    }

    #[test]
    fn a_large_child_does_not_count() {
        // dd's buffer is all of its memory; the shell that waits for it stays small.
        let script = "dd if=/dev/zero of=/dev/null bs=100M count=1 2>/dev/null; exit 0";
        let shell = peak("sh", &["-c", script]).expect("it ends well");
        assert!(shell < 50.0, "{shell}");
        let copy = ["if=/dev/zero", "of=/dev/null", "bs=100M", "count=1"];
        let dd = peak("dd", &copy).expect("it ends well");
        assert!(dd > 90.0, "{dd}");
    }

    #[test]
    fn a_failure_is_one() {
        for (script, end) in [
            ("exit 7", "it exited with 7"),
            ("kill -9 $$", "SIGKILL ended it"),
        ] {
            let error = peak("sh", &["-c", script]).expect_err("it fails");
            assert!(format!("{error:#}").ends_with(end), "{error:#}");
        }
    }
}
