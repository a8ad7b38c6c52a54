//! Ending what is in cgroups, and removing them.

use std::fs;
use std::io::{self, Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// How long what is in a cgroup may take to end once it was killed: a guest's memory has to be
/// given back.
const PATIENCE: Duration = Duration::from_secs(5);

/// Ends what is in a cgroup, and in those below it, and removes them all. A command of root's may
/// have made any number of them, within one another; the kernel bounds their depth.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    // First everything is ended at once, so that nothing makes another one meanwhile.
    let _before_5_14 = fs::write(path.join("cgroup.kill"), "1");
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    remove(path)
}

/// Ends what is in the cgroup and removes it.
fn remove(path: &Path) -> io::Result<()> {
    // What was in it has ended already, unless something went wrong. Kernels before 5.14 lack the
    // file.
    let _nothing_there = fs::write(path.join("cgroup.kill"), "1");
    wait_until_empty(path)?;
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Waits until no process is in it any more: the kernel announces that.
fn wait_until_empty(path: &Path) -> io::Result<()> {
    let mut events = match fs::File::open(path.join("cgroup.events")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if text.lines().any(|line| line == "populated 0") {
            return Ok(());
        }
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        if poll(&mut changed, timeout)? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
}
