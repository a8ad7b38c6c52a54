//! Room for a message, on disk before it is needed.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bencher_channel_protocol::Uuid;
use rustix::fs::{Access, FallocateFlags, access, fallocate};
use rustix::io::Errno;

use super::remove_if_there;

/// Room for the next job's message.
const NEXT: &str = ".room";

/// Whether a file of this name is room for the message of a job that was begun.
pub(super) fn is_a_jobs(name: &str) -> bool {
    name.strip_prefix(NEXT)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// Makes room of `bytes` for the next job's message in `folder`, unless it is there.
pub(super) fn make(folder: &Path, bytes: u64) -> io::Result<()> {
    // A filesystem may have become one that can only be read.
    access(folder, Access::WRITE_OK | Access::EXEC_OK)?;
    let path = folder.join(NEXT);
    match fs::metadata(&path) {
        // It has its length last.
        Ok(found) if found.len() == bytes => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let made = allocate(&path, bytes);
    if made.is_err() {
        // What there was of it is no use, and others may need it.
        let _gone = fs::remove_file(&path);
    }
    made
}

fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    match fallocate(&file, FallocateFlags::KEEP_SIZE, 0, bytes) {
        // Some filesystems can not promise anything.
        Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes),
        Err(errno) => Err(errno.into()),
    }
}

/// Gives the room that was made back.
pub(super) fn give_back(folder: &Path) -> io::Result<()> {
    remove_if_there(&folder.join(NEXT))
}

/// Gives the room that was made to a job.
pub(super) fn give(folder: &Path, job: Uuid) -> io::Result<()> {
    fs::rename(folder.join(NEXT), path(folder, job))
}

/// The room of a job, to be written from its beginning, and where it is; `None` if it has none.
pub(super) fn of(folder: &Path, job: Uuid) -> io::Result<Option<(File, PathBuf)>> {
    let path = path(folder, job);
    match File::options().write(true).open(&path) {
        Ok(file) => Ok(Some((file, path))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes the room of a job away, which needs none.
pub(super) fn take(folder: &Path, job: Uuid) -> io::Result<()> {
    remove_if_there(&path(folder, job))
}

fn path(folder: &Path, job: Uuid) -> PathBuf {
    folder.join(format!("{NEXT}-{job}"))
}
