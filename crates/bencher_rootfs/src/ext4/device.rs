//! Device numbers as the first two words of `i_block`.
//!
//! The kernel (`fs/ext4/inode.c`, `include/linux/kdev_t.h`) stores numbers that fit in 8 bits each
//! the old way in the first word, and all others the new way in the second.

/// The largest major number that Linux has (12 bits).
pub(super) const MAX_MAJOR: u32 = 0xFFF;
/// The largest minor number that Linux has (20 bits).
pub(super) const MAX_MINOR: u32 = 0xF_FFFF;

/// The first two words of `i_block`, or nothing if there is no such device number on Linux.
pub(super) fn encode(major: u32, minor: u32) -> Option<[u32; 2]> {
    if major > MAX_MAJOR || minor > MAX_MINOR {
        return None;
    }
    if major < 256 && minor < 256 {
        return Some([(major << 8) | minor, 0]);
    }
    Some([0, (minor & 0xFF) | (major << 8) | ((minor & !0xFF) << 12)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_old_or_the_new_form() {
        assert_eq!(encode(1, 3), Some([0x0103, 0]));
        assert_eq!(encode(255, 255), Some([0xFFFF, 0]));
        assert_eq!(encode(8, 256), Some([0, 0x0010_0800]));
        assert_eq!(encode(256, 0), Some([0, 0x0001_0000]));
        assert_eq!(encode(MAX_MAJOR, MAX_MINOR), Some([0, 0xFFFF_FFFF]));
    }

    #[test]
    fn refuses_what_linux_has_not() {
        assert_eq!(encode(MAX_MAJOR + 1, 0), None);
        assert_eq!(encode(0, MAX_MINOR + 1), None);
    }
}
