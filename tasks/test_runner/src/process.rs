//! Starting other programs: how they are named in messages and what happens to their output.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::Mutex;
use std::thread;

use anyhow::{Context as _, bail};
use nix::sys::signal::Signal;

/// How many of a failed program's last lines an error shows.
const TAIL: usize = 20;

/// How many characters of its command line an error shows.
const SHOWN: usize = 60;

/// `program` with no standard input and without what cargo told this process about itself, which
/// would only confuse a cargo below it.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let about_this_process = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        });
        if about_this_process {
            command.env_remove(name);
        }
    }
    command
}

/// `outer` with the command line and the environment of `inner` as its last arguments.
pub(crate) fn within(mut outer: Command, inner: &Command) -> Command {
    outer
        .arg(inner.get_program())
        .args(inner.get_args())
        .stdin(Stdio::null());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => outer.env(name, value),
            None => outer.env_remove(name),
        };
    }
    outer
}

/// This very program. Its file may be gone: a build of the workspace replaces it, also one that it
/// started itself.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";

/// A copy of this program in `folder`, which no build replaces.
///
/// # Errors
///
/// When it can not be written.
pub(crate) fn own_copy(folder: &Path) -> anyhow::Result<PathBuf> {
    let copy = folder.join("test_runner");
    // Whoever uses an earlier copy keeps it.
    let new = folder.join(format!("test_runner.{}", std::process::id()));
    fs::copy(OWN_PROGRAM, &new)
        .and_then(|_| fs::rename(&new, &copy))
        .with_context(|| format!("cannot write {}", copy.display()))?;
    Ok(copy)
}

/// Has `command` killed when the thread that starts it ends, however that happens.
#[expect(
    unsafe_code,
    reason = "only code between fork and exec can ask for a parent's death signal"
)]
pub(crate) fn die_with_this_thread(command: &mut Command) {
    let parent = nix::unistd::getpid();
    let ask = move || {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
        // The parent may have died before the line above: then no signal comes.
        if nix::unistd::getppid() == parent {
            Ok(())
        } else {
            Err(nix::errno::Errno::ESRCH.into())
        }
    };
    // SAFETY: prctl and getppid are async-signal-safe, and the closure allocates nothing: an error
    // is a plain error number.
    unsafe { command.pre_exec(ask) };
}

/// The cargo that started this process.
pub(crate) fn cargo() -> Command {
    command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The command line as a shell in the current folder would take it, for messages.
pub(crate) fn describe(command: &Command) -> String {
    let here = env::current_dir().unwrap_or_default();
    let program = Path::new(command.get_program());
    let mut line = program
        .file_name()
        .unwrap_or(program.as_os_str())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        let argument = Path::new(argument)
            .strip_prefix(&here)
            .map_or(argument, Path::as_os_str)
            .to_string_lossy();
        let plain =
            |character: char| character.is_ascii_alphanumeric() || "-_=+./:,@%".contains(character);
        line.push(' ');
        if !argument.is_empty() && argument.chars().all(plain) {
            line.push_str(&argument);
        } else {
            line.push('\'');
            line.push_str(&argument.replace('\'', r"'\''"));
            line.push('\'');
        }
    }
    line
}

/// The beginning of the command line: enough to know which one it is.
fn shortened(command: &Command) -> String {
    let line = describe(command);
    match line.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// Runs `command` with this process's own output.
///
/// # Errors
///
/// When it can not be started or fails.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command.status().with_context(|| cannot_start(command))?;
    check(command, status, "")
}

/// Runs `command` and returns its standard output; its standard error is shown when it fails.
///
/// # Errors
///
/// When it can not be started or fails.
pub(crate) fn capture(command: &mut Command) -> anyhow::Result<Vec<u8>> {
    capture_both(command).map(|output| output.stdout)
}

/// As [`capture`], for who needs the standard error of a success as well.
///
/// # Errors
///
/// When it can not be started or fails.
pub(crate) fn capture_both(command: &mut Command) -> anyhow::Result<Output> {
    let output = command.output().with_context(|| cannot_start(command))?;
    check(
        command,
        output.status,
        &String::from_utf8_lossy(&output.stderr),
    )?;
    Ok(output)
}

/// Runs `command`, passes its output on as it comes, and shows each line to `look`.
///
/// # Errors
///
/// When it can not be started or its output can not be read.
pub(crate) fn watch(
    command: &mut Command,
    look: impl FnMut(&str) + Send,
) -> anyhow::Result<ExitStatus> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| cannot_start(command))?;
    let stdout = child.stdout.take().context("the output is not a pipe")?;
    let stderr = child.stderr.take().context("the output is not a pipe")?;
    let look = Mutex::new(look);
    thread::scope(|scope| {
        let errors = scope.spawn(|| pass_on(stderr, std::io::stderr(), &look));
        let output = pass_on(stdout, std::io::stdout(), &look);
        let errors = errors.join().unwrap_or(Ok(()));
        output.and(errors)
    })
    .with_context(|| format!("cannot read what `{}` prints", describe(command)))?;
    child
        .wait()
        .with_context(|| format!("cannot wait for `{}`", describe(command)))
}

fn pass_on(
    from: impl Read,
    mut to: impl Write,
    look: &Mutex<impl FnMut(&str)>,
) -> std::io::Result<()> {
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        to.write_all(&line)?;
        to.flush()?;
        if let Ok(mut look) = look.lock() {
            look(String::from_utf8_lossy(&line).trim_end_matches('\n'));
        }
        line.clear();
    }
    Ok(())
}

fn cannot_start(command: &Command) -> String {
    format!("cannot start `{}`", describe(command))
}

fn check(command: &Command, status: ExitStatus, stderr: &str) -> anyhow::Result<()> {
    if status.success() {
        return Ok(());
    }
    let lines: Vec<&str> = stderr.trim_end().lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n  ");
    if tail.is_empty() {
        bail!("`{}` ended with {status}", shortened(command));
    }
    bail!("`{}` ended with {status}:\n  {tail}", shortened(command));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_can_be_pasted_into_a_shell() {
        let mut command = Command::new("/usr/bin/env");
        let below = env::current_dir().expect("there is one").join("x/y");
        command
            .args(["A=b c", "it's", "", "--plain=/a/b"])
            .arg(below);
        assert_eq!(
            describe(&command),
            r"env 'A=b c' 'it'\''s' '' --plain=/a/b x/y"
        );
    }

    #[test]
    fn a_failure_shows_the_end_of_standard_error() {
        let mut command = command("sh");
        command.args(["-c", "seq 30 >&2; exit 3"]);
        let message = capture(&mut command).expect_err("it fails").to_string();
        assert!(message.contains("exit status: 3"), "{message}");
        assert!(message.ends_with("\n  29\n  30"), "{message}");
        assert!(!message.contains("\n  10\n"), "{message}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut command("/no/such/program")).expect_err("it is not there");
        assert_eq!(error.to_string(), "cannot start `program`");
    }

    #[test]
    fn a_copy_of_this_program_is_this_program() {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = own_copy(folder.path()).expect("it can be written");
        let listed = capture(command(&copy).arg("--list")).expect("it is a program");
        let listed = String::from_utf8_lossy(&listed);
        assert!(listed.contains("a_copy_of_this_program_is_this_program"));
        let names = fs::read_dir(folder.path()).expect("it is there").count();
        assert_eq!(names, 1, "nothing else is left");
    }

    #[test]
    fn lines_of_both_streams_are_seen() {
        let mut lines = Vec::new();
        let mut command = command("sh");
        command.args(["-c", "echo out; echo err >&2; printf end"]);
        let status =
            watch(&mut command, |line| lines.push(line.to_owned())).expect("sh can be started");
        lines.sort();
        assert!(status.success());
        assert_eq!(lines, ["end", "err", "out"]);
    }
}
