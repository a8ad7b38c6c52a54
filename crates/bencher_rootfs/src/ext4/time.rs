//! Timestamps: 34 bits of seconds and 30 of nanoseconds in two 32-bit fields.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/inodes.rst`, section "Inode Timestamps".
//! The `i_*time` field holds the low 32 bits of the seconds, *signed*; the `i_*time_extra` field
//! holds in its low 2 bits how often 2³² has to be added to it, and the nanoseconds above.

use super::format::low32;
use crate::tree::Timestamp;

/// 1901-12-13T20:45:52Z.
const EARLIEST: i64 = i32::MIN as i64;
/// 2446-05-10T22:38:55Z.
const LATEST: i64 = EARLIEST + (1 << 34) - 1;

/// A time as stored in an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct DiskTime {
    /// For the `i_*time` field.
    pub(super) seconds: u32,
    /// For the `i_*time_extra` field.
    pub(super) extra: u32,
}

impl DiskTime {
    /// The nearest time that ext4 can store: times out of its range are clamped to it without
    /// nanoseconds, as the kernel's `timestamp_truncate` does.
    pub(super) fn nearest(time: Timestamp) -> Self {
        let seconds = time.seconds.clamp(EARLIEST, LATEST);
        let nanoseconds = if seconds == EARLIEST || seconds == LATEST {
            0
        } else {
            time.nanoseconds.min(999_999_999)
        };
        // Counted from the earliest time the range is 0..2³⁴, whose upper two bits are the epoch.
        let epoch = (seconds - EARLIEST).cast_unsigned() >> 32;
        Self {
            seconds: low32(seconds.cast_unsigned()),
            extra: low32(epoch) | (nanoseconds << 2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table of the kernel's documentation, and its edges.
    #[test]
    fn encodes_as_documented() {
        let cases: [(i64, u32, u32, u32); 12] = [
            (i64::from(i32::MIN), 0, 0x8000_0000, 0),
            (i64::from(i32::MIN) + 1, 5, 0x8000_0001, 5 << 2),
            (-1, 999_999_999, 0xFFFF_FFFF, 999_999_999 << 2),
            (0, 0, 0, 0),
            (0x7FFF_FFFF, 1, 0x7FFF_FFFF, 1 << 2),
            (0x8000_0000, 1, 0x8000_0000, (1 << 2) | 1),
            (0xFFFF_FFFF, 0, 0xFFFF_FFFF, 1),
            (0x1_0000_0000, 0, 0, 1),
            (0x1_8000_0000, 0, 0x8000_0000, 2),
            (0x2_8000_0000, 0, 0x8000_0000, 3),
            (0x3_7FFF_FFFE, 7, 0x7FFF_FFFE, (7 << 2) | 3),
            (0x3_7FFF_FFFF, 7, 0x7FFF_FFFF, 3),
        ];
        for (seconds, nanoseconds, low, extra) in cases {
            let time = DiskTime::nearest(Timestamp {
                seconds,
                nanoseconds,
            });
            assert_eq!((time.seconds, time.extra), (low, extra), "{seconds}");
        }
    }

    #[test]
    fn clamps_without_nanoseconds() {
        for (seconds, same_as) in [(i64::MIN, EARLIEST), (i64::MAX, LATEST)] {
            let clamped = DiskTime::nearest(Timestamp {
                seconds,
                nanoseconds: 1,
            });
            let edge = DiskTime::nearest(Timestamp {
                seconds: same_as,
                nanoseconds: 0,
            });
            assert_eq!(clamped, edge);
        }
    }
}
