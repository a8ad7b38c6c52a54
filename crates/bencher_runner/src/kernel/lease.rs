//! Leases of kernels in the cache: one that is used is not removed.
//!
//! The file `.lock` in a kernel's folder is locked, shared, by who uses the kernel, and exclusively
//! by who removes it; its time is that of the last use. A lock goes with its process.

use std::fs::{self, File, FileTimes};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// For as long as this lives nobody removes the kernel.
#[derive(Debug)]
pub struct KernelLease {
    _lock: Flock<File>,
}

/// What taking a lease came to.
#[derive(Debug)]
pub(super) enum Lease {
    /// The kernel stays.
    Taken(KernelLease),
    /// The cache is somebody else's, who alone removes anything.
    ReadOnly,
    /// There is no such folder, or somebody just removed it.
    Gone,
}

/// The right to remove a kernel, or who has a better one.
#[derive(Debug)]
pub(super) enum Seizure {
    Taken(Flock<File>),
    InUse,
}

/// Takes a lease of the kernel in `folder`, which counts as a use. Waits while somebody removes it.
pub(super) fn take(folder: &Path) -> Lease {
    let Ok(file) = open(folder) else {
        return if folder.is_dir() {
            Lease::ReadOnly
        } else {
            Lease::Gone
        };
    };
    let Ok(lock) = Flock::lock(file, FlockArg::LockShared) else {
        return Lease::ReadOnly;
    };
    if !is_current(&lock, folder) {
        return Lease::Gone;
    }
    // Where the time can not be set, the last use is known less well.
    let _unknown = lock.set_times(FileTimes::new().set_modified(SystemTime::now()));
    Lease::Taken(KernelLease { _lock: lock })
}

/// The lock of the kernel in `folder`, unless somebody uses it.
pub(super) fn seize(folder: &Path) -> io::Result<Seizure> {
    match Flock::lock(open(folder)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(Seizure::Taken(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(Seizure::InUse),
        Err((_, error)) => Err(error.into()),
    }
}

/// Whether somebody uses the kernel in `folder`. No file is made.
pub(super) fn is_held(folder: &Path) -> bool {
    let Ok(file) = File::open(lock_path(folder)) else {
        return false;
    };
    matches!(
        Flock::lock(file, FlockArg::LockExclusiveNonblock),
        Err((_, Errno::EWOULDBLOCK))
    )
}

/// When the kernel in `folder` was last used, if it ever was.
pub(super) fn last_used(folder: &Path) -> Option<SystemTime> {
    fs::metadata(lock_path(folder)).ok()?.modified().ok()
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join(".lock")
}

fn open(folder: &Path) -> io::Result<File> {
    File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(lock_path(folder))
}

/// Whether the locked file is still the one in the folder.
fn is_current(lock: &File, folder: &Path) -> bool {
    let (Ok(locked), Ok(found)) = (lock.metadata(), fs::metadata(lock_path(folder))) else {
        return false;
    };
    (found.dev(), found.ino()) == (locked.dev(), locked.ino())
}
