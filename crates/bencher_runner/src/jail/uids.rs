//! A user id for each VMM that root starts, which nobody else has at the same time.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::JailError;

/// Where root's runners lock the ids that they use: one place for the whole host, as the ids are,
/// and gone with a reboot, as the processes are.
const LOCKS: &str = "/run/bencher-runner/uids";

/// User ids, and group ids of the same numbers, that belong to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UidRange {
    /// The first one.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

impl Default for UidRange {
    /// 256 ids behind everything that distributions, systemd and container engines give out (see
    /// systemd's `docs/UIDS-GIDS.md`), and below what is negative as a signed number.
    fn default() -> Self {
        Self {
            first: 2_000_000_000,
            count: 256,
        }
    }
}

impl fmt::Display for UidRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.first, self.count)
    }
}

impl FromStr for UidRange {
    type Err = String;

    /// `FIRST:COUNT`. Root is in no range.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (first, count) = text.split_once(':')?;
            let (first, count): (u32, u32) = (first.parse().ok()?, count.parse().ok()?);
            let end = first.checked_add(count)?;
            // The last one means "unchanged" to the kernel.
            (first > 0 && count > 0 && end < u32::MAX).then_some(Self { first, count })
        };
        parse().ok_or_else(|| {
            format!(
                "{text:?} is no range of user ids: give FIRST:COUNT, e.g. {}",
                Self::default()
            )
        })
    }
}

/// An id that is this process's as long as this lives.
#[derive(Debug)]
pub(super) struct UidLock {
    /// The user id, and the group id.
    pub(super) id: u32,
    _lock: Flock<File>,
}

impl UidLock {
    pub(super) fn take(range: UidRange) -> Result<Self, JailError> {
        Self::take_in(range, Path::new(LOCKS))
    }

    fn take_in(range: UidRange, folder: &Path) -> Result<Self, JailError> {
        let failed = |path: PathBuf| move |source| JailError::UidLock { path, source };
        // Who could open the locks could hold them.
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed(folder.to_owned()))?;
        for id in range.first..range.first + range.count {
            let path = folder.join(id.to_string());
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(failed(path.clone()))?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Self { id, _lock: lock }),
                Err((_, Errno::EWOULDBLOCK)) => {}
                Err((_, errno)) => return Err(failed(path)(errno.into())),
            }
        }
        Err(JailError::NoUid { range })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_checked() {
        for good in ["1:1", "2000000000:256", "4294967293:1"] {
            assert_eq!(good.parse::<UidRange>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "5",
            "0:1",
            "5:0",
            "4294967294:1",
            "4294967295:1",
            "a:b",
            "1:-1",
        ] {
            assert!(bad.parse::<UidRange>().is_err(), "{bad}");
        }
    }

    #[test]
    fn each_id_is_given_once_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let range = UidRange {
            first: 700,
            count: 2,
        };
        let first = UidLock::take_in(range, folder.path()).unwrap();
        let second = UidLock::take_in(range, folder.path()).unwrap();
        assert_eq!((first.id, second.id), (700, 701));
        let none = UidLock::take_in(range, folder.path()).unwrap_err();
        assert!(matches!(none, JailError::NoUid { .. }));
        assert!(
            none.to_string().contains("all 2 user ids from 700 on"),
            "{none}"
        );
        drop(first);
        assert_eq!(UidLock::take_in(range, folder.path()).unwrap().id, 700);
    }
}
