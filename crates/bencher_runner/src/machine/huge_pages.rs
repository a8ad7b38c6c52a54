//! Huge pages for a guest's memory.
//!
//! They come from a pool that the host's administrator fills. A VMM that touches a page which the
//! pool has not got dies of a `SIGBUS` in the middle of the run, so the pool is looked at first.
//!
//! Source: the kernel's Documentation/admin-guide/mm/hugetlbpage.rst.

use std::path::{Path, PathBuf};

use super::MachineError;
use crate::units::ByteSize;

/// Pages of 2 MiB, the size that every x86 and most arm64 hosts have and every VMM takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HugePages(());

const POOL: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB";

impl HugePages {
    /// The size of one.
    pub fn size(self) -> ByteSize {
        ByteSize::from_mebibytes(2)
    }

    /// Whether the host's pool has enough for a guest of `memory`.
    ///
    /// # Errors
    ///
    /// [`MachineError::HugePages`] when it has not.
    pub fn check(self, memory: ByteSize) -> Result<(), MachineError> {
        self.check_in(memory, Path::new(POOL))
    }

    fn check_in(self, memory: ByteSize, pool: &Path) -> Result<(), MachineError> {
        let needed = memory.bytes().div_ceil(self.size().bytes());
        let read = |name: &str| {
            let path: PathBuf = pool.join(name);
            std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse::<u64>().ok())
                .unwrap_or(0)
        };
        // What others have reserved is counted as free until they touch it.
        let free = read("free_hugepages").saturating_sub(read("resv_hugepages"));
        if needed <= free {
            return Ok(());
        }
        Err(MachineError::HugePages {
            needed,
            free,
            wanted: read("nr_hugepages") + needed - free,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_reserved_is_not_free() {
        let pool = tempfile::tempdir().unwrap();
        for (name, count) in [
            ("nr_hugepages", "100"),
            ("free_hugepages", "60\n"),
            ("resv_hugepages", "10\n"),
        ] {
            std::fs::write(pool.path().join(name), count).unwrap();
        }
        let pages = HugePages::default();
        let check = |mebibytes| pages.check_in(ByteSize::from_mebibytes(mebibytes), pool.path());
        check(100).unwrap();
        let error = check(128).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the guest's memory needs 64 huge pages of 2 MiB and the host has 50 free: make more \
             with sysctl vm.nr_hugepages=114, or leave --hugepages out"
        );
        let none = pages.check_in(ByteSize::from_mebibytes(2), Path::new("/no/such/pool"));
        assert!(none.is_err());
    }
}
