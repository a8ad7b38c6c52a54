//! Group descriptors of 64 bytes: where a group's bitmaps and inodes lie, and what is free.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/group_descr.rst`.

use super::checksum::Checksum;
use super::format::{DESCRIPTOR_SIZE, high16, high32, low16, low32, put_u16, put_u32};

/// `bg_flags`: the inode table and its bitmap were not written, all inodes being free.
pub(super) const INODES_UNINITIALIZED: u16 = 0x1;
/// `bg_flags`: the block bitmap was not written, all blocks but the fixed ones being free.
pub(super) const BLOCKS_UNINITIALIZED: u16 = 0x2;
/// `bg_flags`: the unused part of the inode table is zeroed, so the kernel need not do it later.
pub(super) const INODES_ZEROED: u16 = 0x4;

/// What a group descriptor says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Descriptor {
    pub(super) block_bitmap: u64,
    pub(super) inode_bitmap: u64,
    pub(super) inode_table: u64,
    pub(super) free_blocks: u32,
    pub(super) free_inodes: u32,
    pub(super) directories: u32,
    /// Inodes at the end of the table that were never used.
    pub(super) unused_inodes: u32,
    pub(super) flags: u16,
    /// Checksums of the bitmaps; 0 for those not written.
    pub(super) block_bitmap_checksum: u32,
    pub(super) inode_bitmap_checksum: u32,
}

impl Descriptor {
    /// The descriptor of `group` as stored. `seed` is the volume's.
    pub(super) fn encode(&self, seed: Checksum, group: u32) -> [u8; DESCRIPTOR_SIZE] {
        let mut raw = [0; DESCRIPTOR_SIZE];
        let locations = [self.block_bitmap, self.inode_bitmap, self.inode_table];
        for (number, location) in locations.into_iter().enumerate() {
            put_u32(&mut raw, 4 * number, low32(location));
            put_u32(&mut raw, 0x20 + 4 * number, high32(location));
        }
        let split = [
            (0x0C, 0x2C, self.free_blocks),
            (0x0E, 0x2E, self.free_inodes),
            (0x10, 0x30, self.directories),
            (0x18, 0x38, self.block_bitmap_checksum),
            (0x1A, 0x3A, self.inode_bitmap_checksum),
            (0x1C, 0x32, self.unused_inodes),
        ];
        for (low, high, value) in split {
            put_u16(&mut raw, low, low16(value));
            put_u16(&mut raw, high, high16(value));
        }
        put_u16(&mut raw, 0x12, self.flags);
        let checksum = seed.update(&group.to_le_bytes()).update(&raw);
        put_u16(&mut raw, 0x1E, low16(checksum.value()));
        raw
    }
}
