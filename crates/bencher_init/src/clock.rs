//! The clocks that init reads, in nanoseconds.

use nix::time::{ClockId, clock_gettime};

/// Time since the kernel began (`CLOCK_BOOTTIME`).
pub(crate) fn since_boot() -> u64 {
    read(ClockId::CLOCK_BOOTTIME)
}

/// A time to measure spans with (`CLOCK_MONOTONIC`).
pub(crate) fn monotonic() -> u64 {
    read(ClockId::CLOCK_MONOTONIC)
}

/// Both clocks exist on every Linux and count from 0 up, so 0 is never the fallback it looks like.
fn read(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec()).unwrap_or(0);
        seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(nanoseconds)
    })
}
