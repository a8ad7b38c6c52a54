//! The CRC-32C that ext4's `metadata_csum` feature puts on every structure.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/checksums.rst`. ext4 keeps the raw state
//! of the CRC: it starts from all ones, and is *not* inverted at the end.

/// The running state of a checksum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Checksum(u32);

impl Checksum {
    /// Nothing summed up yet.
    pub(super) const START: Self = Self(u32::MAX);

    /// What the checksums of everything but the superblock begin with.
    pub(super) fn of_volume(uuid: &[u8; 16]) -> Self {
        Self::START.update(uuid)
    }

    /// What the checksums of an inode, and of its directory and extent blocks, begin with.
    pub(super) fn of_inode(self, inode: u32, generation: u32) -> Self {
        self.update(&inode.to_le_bytes())
            .update(&generation.to_le_bytes())
    }

    #[must_use]
    pub(super) fn update(self, bytes: &[u8]) -> Self {
        // The crate inverts before and after, as CRC-32C is defined elsewhere.
        Self(!crc32c::crc32c_append(!self.0, bytes))
    }

    pub(super) fn value(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_the_castagnoli_crc_without_the_final_inversion() {
        // RFC 3720, appendix B.4: 32 bytes of zeroes.
        assert_eq!(!Checksum::START.update(&[0; 32]).value(), 0x8A91_36AA);
        assert_eq!(!Checksum::START.update(b"123456789").value(), 0xE306_9283);
    }

    #[test]
    fn can_be_continued() {
        let whole = Checksum::START.update(b"123456789");
        assert_eq!(Checksum::START.update(b"1234").update(b"56789"), whole);
    }
}
