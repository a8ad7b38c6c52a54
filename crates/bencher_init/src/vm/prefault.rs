//! Touching the guest's memory before the command does: a page that the guest never used is one that
//! its host has not given it yet, and the first use waits for that.

use std::fs;

use nix::errno::Errno;

use crate::sys::Populated;

/// Bytes that are taken at a time.
const PIECE: u64 = 64 << 20;

/// Bytes that stay free: the kernel keeps some for itself, and ends processes rather than give them
/// away.
const RESERVE: u64 = 24 << 20;

/// Takes all free memory, and gives it back. Returns how many bytes that was.
///
/// # Errors
///
/// When the kernel gives no more; what was taken is given back.
pub(super) fn touch_free_memory() -> Result<u64, Errno> {
    let mut taken = Vec::new();
    let mut bytes = 0;
    loop {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let piece = free(&meminfo).saturating_sub(RESERVE).min(PIECE);
        // The last bit is not worth a look at it, and there may be no less than this.
        if piece < RESERVE / 4 {
            return Ok(bytes);
        }
        let length = usize::try_from(piece).map_err(|_| Errno::ENOMEM)?;
        taken.push(Populated::new(length)?);
        bytes += piece;
    }
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
    #[test]
    fn free_memory_is_told_in_kibibytes() {
        let meminfo = "MemTotal:         495364 kB\nMemFree:          400000 kB\nBuffers: 1 kB\n";
        assert_eq!(super::free(meminfo), 400_000 << 10);
        assert_eq!(super::free(""), 0);
    }
}
