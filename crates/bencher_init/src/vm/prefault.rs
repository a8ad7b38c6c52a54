//! Touching the guest's memory before the command does: a page that the guest never used is one that
//! its host has not given it yet, and the first use waits for that.

use std::fs;

use nix::errno::Errno;

use crate::error::errno;
use crate::sys::Populated;

/// Bytes that are taken at a time.
const PIECE: u64 = 64 << 20;

/// Bytes that stay free at least.
const LEAST_RESERVE: u64 = 24 << 20;

/// How many times what the kernel keeps for itself stays free: where less is, it looks for processes to
/// end, and there is none but this one.
const MARGIN: u64 = 3;

/// Takes all free memory but a reserve, and gives it back. Returns how many bytes that was.
///
/// # Errors
///
/// When the kernel gives no more, or can not do this (Linux 5.14 and newer can). What was taken is
/// given back.
pub(super) fn touch_free_memory() -> Result<u64, Errno> {
    let kept = fs::read_to_string("/proc/sys/vm/min_free_kbytes").map_err(|error| errno(&error))?;
    // Without knowing what the kernel keeps, any reserve may be too small.
    let reserve = reserve(&kept).ok_or(Errno::EINVAL)?;
    let mut taken = Vec::new();
    let mut bytes = 0;
    let mut before = u64::MAX;
    loop {
        let free = free(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
        let piece = free.saturating_sub(reserve).min(PIECE);
        // The last bit is not worth a look. What does not become less can not be taken.
        if piece < LEAST_RESERVE / 4 || free >= before {
            return Ok(bytes);
        }
        before = free;
        let length = usize::try_from(piece).map_err(|_| Errno::ENOMEM)?;
        taken.push(Populated::new(length)?);
        bytes += piece;
    }
}

/// How many bytes stay free, by what `min_free_kbytes` says.
fn reserve(min_free: &str) -> Option<u64> {
    let kibibytes: u64 = min_free.trim().parse().ok()?;
    Some(LEAST_RESERVE.max(kibibytes.saturating_mul(1024 * MARGIN)))
}

/// Bytes that nothing is in, from `/proc/meminfo`.
fn free(meminfo: &str) -> u64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemFree:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix("kB"));
    let kibibytes: u64 = kibibytes
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0);
    kibibytes << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_told_in_kibibytes() {
        let meminfo = "MemTotal:         495364 kB\nMemFree:          400000 kB\nBuffers: 1 kB\n";
        assert_eq!(free(meminfo), 400_000 << 10);
        assert_eq!(free(""), 0);
    }

    #[test]
    fn what_the_kernel_keeps_for_itself_is_left_to_it() {
        assert_eq!(reserve("2816\n"), Some(LEAST_RESERVE));
        assert_eq!(reserve("67584\n"), Some((67_584 << 10) * MARGIN));
        assert_eq!(reserve(""), None);
    }
}
