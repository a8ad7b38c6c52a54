//! A user id for each VMM that root starts, which nobody else has at the same time.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use super::JailError;
use crate::slots::{Slot, SlotError, Slots};

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

/// An id that no process has but those that this one gives it to, as long as this lives.
#[derive(Debug)]
pub(super) struct UidLock {
    /// The user id, and the group id.
    pub(super) id: u32,
    slot: Slot,
}

impl UidLock {
    pub(super) fn take(range: UidRange) -> Result<Self, JailError> {
        Self::take_in(range, Path::new(LOCKS), Path::new("/proc"))
    }

    /// A killed runner's locks are free a moment before its VMMs have ended. So an id is marked
    /// until it is known that nothing has it any more, and one that is still marked is looked for
    /// among the `processes`.
    fn take_in(range: UidRange, locks: &Path, processes: &Path) -> Result<Self, JailError> {
        let slots = Slots::open(locks)?;
        for id in range.first..range.first + range.count {
            let Some(mut slot) = slots.lock(id)? else {
                continue;
            };
            if slot.is_marked()? && lives(id, processes)? {
                continue;
            }
            slot.mark("in use")?;
            return Ok(Self { id, slot });
        }
        Err(JailError::NoUid { range })
    }

    /// Gives the id back, of which nothing lives. Dropped without, it is looked for when the id is
    /// taken again.
    pub(super) fn give_back(mut self) -> Result<(), JailError> {
        Ok(self.slot.clear()?)
    }
}

impl From<SlotError> for JailError {
    fn from(SlotError { path, source }: SlotError) -> Self {
        Self::UidLock { path, source }
    }
}

/// Whether a process that `processes`, a `/proc`, shows has the user id `id`.
fn lives(id: u32, processes: &Path) -> Result<bool, JailError> {
    let failed = |source| JailError::UidLock {
        path: processes.to_owned(),
        source,
    };
    for entry in fs::read_dir(processes).map_err(failed)? {
        let status = entry.map_err(failed)?.path().join("status");
        // What is no process has none, and neither has one that has gone meanwhile.
        if fs::read(status).is_ok_and(|status| has(&String::from_utf8_lossy(&status), id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether what `status` (`proc_pid_status(5)`) describes has the user id `id`, and can still do
/// anything: all of its threads have ended when there is but one and it is a zombie.
fn has(status: &str, id: u32) -> bool {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().trim()
    };
    let id = id.to_string();
    let has_ended = field("State:").starts_with(['Z', 'X']) && field("Threads:") == "1";
    !has_ended && field("Uid:").split_whitespace().any(|own| own == id)
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

    const RANGE: UidRange = UidRange {
        first: 700,
        count: 2,
    };

    /// What the kernel says of a process of the user 700.
    fn status(state: &str, threads: u32) -> String {
        format!("Name:\tVMM\nState:\t{state}\nUid:\t700\t700\t700\t700\nThreads:\t{threads}\n")
    }

    #[test]
    fn each_id_is_given_once_at_a_time() {
        let (locks, processes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let take = || UidLock::take_in(RANGE, locks.path(), processes.path());
        let first = take().unwrap();
        let second = take().unwrap();
        assert_eq!((first.id, second.id), (700, 701));
        let none = take().unwrap_err();
        assert!(matches!(none, JailError::NoUid { .. }));
        assert!(
            none.to_string().contains("all 2 user ids from 700 on"),
            "{none}"
        );
        drop(first);
        assert_eq!(take().unwrap().id, 700);
    }

    #[test]
    fn an_id_of_a_killed_runner_is_free_once_its_vmm_has_gone() {
        let (locks, processes) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let take = || UidLock::take_in(RANGE, locks.path(), processes.path());
        let vmm = processes.path().join("41");
        fs::create_dir(&vmm).unwrap();
        let shown = |text: String| fs::write(vmm.join("status"), text).unwrap();
        shown(status("R (running)", 3));
        take().unwrap().give_back().unwrap();
        assert_eq!(take().unwrap().id, 700, "it was given back");
        assert_eq!(take().unwrap().id, 701, "it was not");
        // A VMM's first thread may end before the others.
        shown(status("Z (zombie)", 2));
        assert_eq!(take().unwrap().id, 701);
        shown(status("Z (zombie)", 1));
        assert_eq!(take().unwrap().id, 700);
    }

    #[test]
    fn ids_are_those_of_processes() {
        let proc = Path::new("/proc");
        assert!(lives(nix::unistd::geteuid().as_raw(), proc).unwrap());
        assert!(!lives(u32::MAX - 7, proc).unwrap());
        assert!(has(&status("S (sleeping)", 1), 700));
        for other in [70, 7, 7000, 0] {
            assert!(!has(&status("S (sleeping)", 1), other), "{other}");
        }
        assert!(lives(700, Path::new("/no/such/proc")).is_err());
    }
}
