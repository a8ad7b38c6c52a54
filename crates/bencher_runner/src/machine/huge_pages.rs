//! Huge pages for a guest's memory.
//!
//! They come from a pool that the host's administrator fills. A VMM that touches a page which the
//! pool has not got dies of a `SIGBUS` in the middle of the run: Firecracker reserves none, so the
//! kernel counts a page as taken only once the guest has touched it. What a guest may still touch
//! is therefore promised to it, in a ledger that all runners of a user keep. It does not know what
//! runners of other users have promised, nor what other programs may yet touch without having
//! reserved it: of these it sees what they have touched.
//!
//! ```text
//! LEDGER/N    locked by a runner as long as one of its machines lives; holds its number of pages
//! ```
//!
//! Source: the kernel's Documentation/admin-guide/mm/hugetlbpage.rst.

use std::path::{Path, PathBuf};

use super::MachineError;
use crate::slots::{Slot, SlotError, Slots};
use crate::units::ByteSize;

/// Pages of 2 MiB, the size that every x86 and most arm64 hosts have and every VMM takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HugePages {
    pool: PathBuf,
    ledger: PathBuf,
}

/// Pages that no other runner of the same ledger is promised as long as this lives.
#[derive(Debug)]
pub(crate) struct Promise {
    _slot: Slot,
}

/// How large a page is.
pub(super) const SIZE: ByteSize = ByteSize::from_mebibytes(2);

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

/// Where root's runners write down what they promise: one place for the whole host, as the pool is,
/// and gone with a reboot, as the guests are.
const LEDGER: &str = "/run/bencher-runner/huge-pages";

impl HugePages {
    /// This host's. An ordinary user's ledger is in the folder `state`.
    pub fn of_host(state: &Path) -> Self {
        Self {
            pool: POOL.into(),
            ledger: if nix::unistd::geteuid().is_root() {
                LEDGER.into()
            } else {
                state.join("huge-pages")
            },
        }
    }

    /// Promises a guest of `memory` its pages.
    ///
    /// # Errors
    ///
    /// [`MachineError::HugePages`] when the host's pool does not hold as many beside what other
    /// guests are promised.
    pub(crate) fn promise(&self, memory: ByteSize) -> Result<Promise, MachineError> {
        let needed = memory.bytes().div_ceil(SIZE.bytes());
        // Nobody promises anything meanwhile.
        let slots = Slots::open(&self.ledger)?;
        let promised: u64 = slots
            .marks()?
            .iter()
            .filter_map(|mark| mark.trim().parse::<u64>().ok())
            .sum();
        let all = self.read("nr_hugepages");
        // Guests may have touched what they are promised, or not yet: neither must it be promised
        // twice, nor what others have taken or reserved.
        let free = all.saturating_sub(promised).min(
            self.read("free_hugepages")
                .saturating_sub(self.read("resv_hugepages")),
        );
        if needed > free {
            return Err(MachineError::HugePages {
                needed,
                free,
                wanted: all + needed - free,
            });
        }
        let mut slot = slots.take()?;
        slot.mark(&needed.to_string())?;
        Ok(Promise { _slot: slot })
    }

    fn read(&self, name: &str) -> u64 {
        std::fs::read_to_string(self.pool.join(name))
            .ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl From<SlotError> for MachineError {
    fn from(SlotError { path, source }: SlotError) -> Self {
        Self::Ledger { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host whose pool has `all` pages, of which some are `free`, and some of these `reserved`.
    fn host(folder: &Path, [all, free, reserved]: [u64; 3]) -> HugePages {
        for (name, count) in [
            ("nr_hugepages", all),
            ("free_hugepages", free),
            ("resv_hugepages", reserved),
        ] {
            std::fs::write(folder.join(name), format!("{count}\n")).unwrap();
        }
        HugePages {
            pool: folder.into(),
            ledger: folder.join("ledger"),
        }
    }

    fn pages(count: u32) -> ByteSize {
        ByteSize::from_mebibytes(count * 2)
    }

    #[test]
    fn what_is_reserved_is_not_free() {
        let folder = tempfile::tempdir().unwrap();
        let host = host(folder.path(), [100, 60, 10]);
        host.promise(pages(50)).unwrap();
        let error = host.promise(pages(64)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the guest's memory needs 64 huge pages of 2 MiB and the host has 50 to give, beside \
             what is promised to other guests: make more with sysctl vm.nr_hugepages=114, or leave \
             --hugepages out"
        );
        let none = HugePages {
            pool: "/no/such/pool".into(),
            ..host
        };
        assert!(none.promise(pages(1)).is_err());
    }

    #[test]
    fn what_is_promised_is_not_promised_again() {
        let folder = tempfile::tempdir().unwrap();
        // The guests have touched nothing yet, so that all of it looks free.
        let host = host(folder.path(), [100, 100, 0]);
        let first = host.promise(pages(60)).unwrap();
        let second = host.promise(pages(30)).unwrap();
        assert!(matches!(
            host.promise(pages(11)).unwrap_err(),
            MachineError::HugePages {
                needed: 11,
                free: 10,
                wanted: 101
            }
        ));
        drop(first);
        // What a killed runner has written down is no promise any more.
        assert_eq!(
            std::fs::read_to_string(host.ledger.join("0")).unwrap(),
            "60\n"
        );
        let _third = host.promise(pages(70)).unwrap();
        assert!(host.promise(pages(1)).is_err());
        drop(second);
        host.promise(pages(30)).unwrap();
    }

    #[test]
    fn what_a_guest_has_touched_counts_once() {
        let folder = tempfile::tempdir().unwrap();
        let _guest = host(folder.path(), [100, 100, 0])
            .promise(pages(60))
            .unwrap();
        let later = host(folder.path(), [100, 40, 0]);
        later.promise(pages(40)).unwrap();
        assert!(later.promise(pages(41)).is_err());
    }
}
