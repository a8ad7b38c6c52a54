//! How often the processes below one had a CPU, as the kernel counts it for each thread.
//!
//! A thread that sleeps is switched away from once and then costs nothing: each wakeup ends in
//! another switch.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use nix::errno::Errno;

/// Whose processes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Whose {
    /// The runner's own program, as which its jailers run too.
    Runner,
    /// Any other: a VMM, or the command and its init.
    Other,
}

/// The context switches of each thread, by its id.
pub(crate) type Switches = BTreeMap<(Whose, u32), u64>;

/// The switches so far of the runner `process`, whose program is `program`, and of all its
/// descendants.
///
/// # Errors
///
/// When the runner is not there, and when the kernel does not tell of a thread that is.
pub(crate) fn count(process: u32, program: &Path) -> anyhow::Result<Switches> {
    let own = identity(program).with_context(|| format!("cannot see {}", program.display()))?;
    let mut switches = Switches::new();
    let mut waiting = vec![process];
    while let Some(process) = waiting.pop() {
        let folder = Path::new("/proc").join(process.to_string());
        let whose = match identity(&folder.join("exe")) {
            Some(program) if program == own => Whose::Runner,
            // One that is guarded from being looked at is none of the runner's.
            _ => Whose::Other,
        };
        for thread in threads(&folder)? {
            let (Some(status), Some(children)) =
                (read(&thread, "status")?, read(&thread, "children")?)
            else {
                continue;
            };
            let id = thread
                .file_name()
                .and_then(|name| name.to_str()?.parse().ok());
            if let (Some(id), Some(count)) = (id, of_status(&status)) {
                switches.insert((whose, id), count);
            }
            waiting.extend(
                children
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
    }
    anyhow::ensure!(
        switches.keys().any(|(whose, _)| *whose == Whose::Runner),
        "the runner {process} is not there"
    );
    Ok(switches)
}

/// The switches of `whose` threads between two moments. Of a thread that is new all count.
pub(crate) fn between(before: &Switches, after: &Switches, whose: Whose) -> u64 {
    let theirs = after.iter().filter(|((owner, _), _)| *owner == whose);
    theirs
        .map(|(thread, count)| count.saturating_sub(before.get(thread).copied().unwrap_or(0)))
        .sum()
}

/// A file of a thread's; `None` when it has ended.
fn read(thread: &Path, name: &str) -> anyhow::Result<Option<String>> {
    let path = thread.join(name);
    unless_ended(fs::read_to_string(&path), &path)
}

/// The folders of a process's threads; none when it has ended.
fn threads(process: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let path = process.join("task");
    let Some(entries) = unless_ended(fs::read_dir(&path), &path)? else {
        return Ok(Vec::new());
    };
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

/// What was read, or `None` when its process ended meanwhile.
fn unless_ended<T>(read: io::Result<T>, path: &Path) -> anyhow::Result<Option<T>> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(error)
            if error.kind() == io::ErrorKind::NotFound
                || error.raw_os_error() == Some(Errno::ESRCH as i32) =>
        {
            Ok(None)
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// What tells a file from all others.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino()))
}

/// All switches in a thread's `status` (see `proc_pid_status(5)`).
fn of_status(status: &str) -> Option<u64> {
    let value = |name: &str| {
        let value = |line: &str| line.strip_prefix(name)?.trim().parse::<u64>().ok();
        status.lines().find_map(value)
    };
    Some(value("voluntary_ctxt_switches:")? + value("nonvoluntary_ctxt_switches:")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn both_kinds_of_switches_count() {
        let status = "Name:\tx\nThreads:\t1\nvoluntary_ctxt_switches:\t40\n\
                      nonvoluntary_ctxt_switches:\t2\n";
        assert_eq!(of_status(status), Some(42));
        assert_eq!(of_status("Name:\tx\n"), None);
    }

    #[test]
    fn what_can_not_be_read_is_not_taken_for_what_has_ended() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(read(folder.path(), "status").expect("it has ended"), None);
        fs::create_dir(folder.path().join("children")).expect("it can be made");
        let error = read(folder.path(), "children").expect_err("it is no file");
        assert!(error.to_string().starts_with("cannot read /"), "{error}");
    }

    #[test]
    fn threads_that_are_new_count_from_their_beginning() {
        let of = |counts: &[(Whose, u32, u64)]| -> Switches {
            let each = counts.iter();
            each.map(|&(whose, id, count)| ((whose, id), count))
                .collect()
        };
        let before = of(&[
            (Whose::Runner, 1, 10),
            (Whose::Runner, 2, 5),
            (Whose::Other, 3, 7),
        ]);
        let after = of(&[
            (Whose::Runner, 1, 12),
            (Whose::Runner, 4, 3),
            (Whose::Other, 3, 70),
        ]);
        assert_eq!(between(&before, &after, Whose::Runner), 5);
        assert_eq!(between(&before, &after, Whose::Other), 63);
    }

    #[test]
    fn descendants_are_told_from_the_program_itself() {
        let shell = fs::canonicalize("/bin/sh").expect("there is a shell");
        let mut child = Command::new(&shell)
            .args(["-c", "sleep 1000 & sleep 1000 & echo; wait"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut line = [0];
        let stdout = child.stdout.as_mut().expect("it is a pipe");
        io::Read::read_exact(stdout, &mut line).expect("it is up");
        let switches = loop {
            let switches = count(child.id(), &shell).expect("it is there");
            let own = switches.keys().filter(|(whose, _)| *whose == Whose::Runner);
            // Until its `execve` a child has the shell's program.
            if own.count() == 1 {
                break switches;
            }
        };
        for (_, sleeper) in switches.keys().filter(|(whose, _)| *whose == Whose::Other) {
            let id = nix::unistd::Pid::from_raw(i32::try_from(*sleeper).expect("small"));
            nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
        }
        child.wait().expect("it is a child");
        assert_eq!(switches.len(), 3, "{switches:?}");
        assert!(count(child.id(), &shell).is_err(), "it has ended");
    }
}
