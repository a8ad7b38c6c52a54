//! Other processes, as /proc shows them.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// A process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// Its id.
    pub(crate) id: i32,
    parent: i32,
    /// The name of the program that it was started as.
    pub(crate) program: String,
}

/// The folder of a process in /proc.
pub(crate) fn folder(id: i32) -> PathBuf {
    Path::new("/proc").join(id.to_string())
}

/// All processes that can be seen.
fn all() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let id = entry.file_name().to_str()?.parse().ok()?;
            // A process may end while it is looked at: then it is not there.
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let command_line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let first = command_line.split(|&byte| byte == 0).next()?;
            let program = String::from_utf8_lossy(first);
            let program = program.rsplit('/').next().unwrap_or_default().to_owned();
            Some(Process {
                id,
                parent: parent(&stat)?,
                program,
            })
        })
        .collect()
}

/// Mebibytes of memory that a process has right now, those included that it shares.
pub(crate) fn resident_mib(id: i32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(folder(id).join("status"))?;
    resident(&status).context("the kernel does not tell a process's memory")
}

/// From a `/proc/PID/status` (`proc_pid_status(5)`).
fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes >> 10)
}

/// The parent in a `/proc/PID/stat` (proc(5)): the second number after the name in parentheses,
/// which may hold anything.
fn parent(stat: &str) -> Option<i32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok()
}

/// The descendants of `ancestor`, parents before their children.
pub(crate) fn descendants(ancestor: i32) -> Vec<Process> {
    let all = all();
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![ancestor];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            parents.push(process.id);
            found.push(process.clone());
        }
    }
    found
}

/// The last descendant of `ancestor` whose program's name begins with `prefix`: what comes before
/// it may be on its way to become that program.
pub(crate) fn descendant(ancestor: i32, prefix: &str) -> Option<Process> {
    let mut found = descendants(ancestor);
    found.retain(|process| process.program.starts_with(prefix));
    found.pop()
}

/// Processes other than this one that have something below `folder` open, or named on their
/// command line.
pub(crate) fn using(folder: &Path) -> Vec<Process> {
    let needle = folder.to_string_lossy().into_owned();
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    let mut found = all();
    found.retain(|process| process.id != own && uses(process.id, &needle));
    found
}

fn uses(id: i32, needle: &str) -> bool {
    let process = folder(id);
    let command_line = fs::read(process.join("cmdline")).unwrap_or_default();
    if String::from_utf8_lossy(&command_line).contains(needle) {
        return true;
    }
    let Ok(open) = fs::read_dir(process.join("fd")) else {
        return false;
    };
    open.flatten().any(|entry| {
        fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().contains(needle))
    })
}

/// Whether there is a process `id` that has not ended: one that nobody has waited for has.
pub(crate) fn is_alive(id: i32) -> bool {
    let stat = fs::read_to_string(folder(id).join("stat")).unwrap_or_default();
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_what_the_kernel_says() {
        assert_eq!(
            resident("Name:\tx\nVmRSS:\t  524288 kB\nRssAnon: 1 kB\n"),
            Some(512)
        );
        assert_eq!(resident("Name:\tkthreadd\n"), None);
        let own = i32::try_from(std::process::id()).expect("ids are small");
        assert!(resident_mib(own).expect("it is there") > 0);
    }
    use std::process::{Command, Stdio};

    #[test]
    fn the_parent_comes_after_any_name() {
        assert_eq!(parent("12 (a) b (c) S 7 12 12"), Some(7));
        assert_eq!(parent("12"), None);
    }

    #[test]
    fn children_are_found_and_gone_after_their_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = fs::File::create(folder.path().join("open")).expect("it can be made");
        let mut child = Command::new("tail")
            .args(["-f", "/dev/null"])
            .stdin(Stdio::null())
            .stdout(file)
            .spawn()
            .expect("it can be started");
        let id = i32::try_from(child.id()).expect("ids are small");
        let own = i32::try_from(std::process::id()).expect("ids are small");
        let found = loop {
            // Until its `execve` the child has this program's name.
            if let Some(found) = descendant(own, "tail") {
                break found;
            }
        };
        assert_eq!(found.id, id);
        assert!(is_alive(id));
        let used: Vec<_> = using(folder.path()).iter().map(|it| it.id).collect();
        assert_eq!(used, [id]);
        child.kill().expect("it runs");
        child.wait().expect("it is a child");
        assert!(!is_alive(id));
        assert_eq!(descendant(own, "tail"), None);
    }
}
