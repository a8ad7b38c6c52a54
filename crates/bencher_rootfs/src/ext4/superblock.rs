//! The superblock.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/super.rst`.

use super::checksum::Checksum;
use super::format::{
    BLOCKS_PER_GROUP, DESCRIPTOR_SIZE, EXTRA_INODE_SIZE, FIRST_INODE, INODE_SIZE, high32, low16,
    low32, put_u16, put_u32,
};

/// Bytes of a superblock.
pub(super) const SUPERBLOCK_SIZE: usize = 1024;
/// Where the first one lies on the disk, in bytes. The backups lie at the start of their block.
pub(super) const SUPERBLOCK_OFFSET: u64 = 1024;

/// `ext_attr`, `dir_index`.
const COMPATIBLE: u32 = 0x8 | 0x20;
/// `filetype`, `extents`, `64bit`, `flex_bg`.
const INCOMPATIBLE: u32 = 0x2 | 0x40 | 0x80 | 0x200;
/// `sparse_super`, `large_file`, `huge_file`, `dir_nlink`, `extra_isize`, `metadata_csum`.
const READ_ONLY_COMPATIBLE: u32 = 0x1 | 0x2 | 0x8 | 0x20 | 0x40 | 0x400;

const MAGIC: u16 = 0xEF53;
const STATE_CLEAN: u16 = 1;
/// What `mke2fs` sets: on an error the kernel logs it and goes on.
const ERRORS_CONTINUE: u16 = 1;
const REVISION_DYNAMIC: u32 = 1;
const HASH_HALF_MD4: u8 = 1;
const FLAG_UNSIGNED_HASH: u32 = 2;
/// `user_xattr` and `acl`, as `mke2fs` sets them.
const MOUNT_OPTIONS: u32 = 0x4 | 0x8;
const CHECKSUM_CRC32C: u8 = 1;
/// No check after any number of mounts.
const NO_MOUNT_LIMIT: u16 = u16::MAX;
const LOG_BLOCK_SIZE: u32 = 2;
/// Groups whose metadata the kernel may treat as one when it allocates: 2⁴.
const LOG_GROUPS_PER_FLEX: u8 = 4;

/// What differs between the superblocks of two images.
#[derive(Clone, Copy, Debug)]
pub(super) struct Superblock {
    pub(super) inodes: u32,
    pub(super) free_inodes: u32,
    pub(super) blocks: u64,
    pub(super) free_blocks: u64,
    pub(super) inodes_per_group: u32,
    /// Blocks of superblocks, descriptors, bitmaps and inode tables.
    pub(super) overhead: u64,
    pub(super) uuid: [u8; 16],
    pub(super) hash_seed: [u32; 4],
    /// Seconds since 1970 for all times of the volume: the low 40 bits count.
    pub(super) time: u64,
}

impl Superblock {
    /// The copy that lies in `group`.
    pub(super) fn encode(&self, group: u32) -> [u8; SUPERBLOCK_SIZE] {
        let mut raw = [0; SUPERBLOCK_SIZE];
        put_u32(&mut raw, 0x00, self.inodes);
        put_u32(&mut raw, 0x04, low32(self.blocks));
        put_u32(&mut raw, 0x0C, low32(self.free_blocks));
        put_u32(&mut raw, 0x10, self.free_inodes);
        put_u32(&mut raw, 0x18, LOG_BLOCK_SIZE);
        put_u32(&mut raw, 0x1C, LOG_BLOCK_SIZE);
        put_u32(&mut raw, 0x20, low32(BLOCKS_PER_GROUP));
        put_u32(&mut raw, 0x24, low32(BLOCKS_PER_GROUP));
        put_u32(&mut raw, 0x28, self.inodes_per_group);
        put_u32(&mut raw, 0x30, low32(self.time));
        put_u16(&mut raw, 0x36, NO_MOUNT_LIMIT);
        put_u16(&mut raw, 0x38, MAGIC);
        put_u16(&mut raw, 0x3A, STATE_CLEAN);
        put_u16(&mut raw, 0x3C, ERRORS_CONTINUE);
        put_u32(&mut raw, 0x40, low32(self.time));
        put_u32(&mut raw, 0x4C, REVISION_DYNAMIC);
        put_u32(&mut raw, 0x54, FIRST_INODE);
        put_u16(&mut raw, 0x58, low16(low32(INODE_SIZE as u64)));
        // The number of the group has more than 16 bits on the largest disks, where the field
        // keeps the lower ones.
        put_u16(&mut raw, 0x5A, low16(group));
        put_u32(&mut raw, 0x5C, COMPATIBLE);
        put_u32(&mut raw, 0x60, INCOMPATIBLE);
        put_u32(&mut raw, 0x64, READ_ONLY_COMPATIBLE);
        raw[0x68..0x78].copy_from_slice(&self.uuid);
        for (number, word) in self.hash_seed.into_iter().enumerate() {
            put_u32(&mut raw, 0xEC + 4 * number, word);
        }
        raw[0xFC] = HASH_HALF_MD4;
        put_u16(&mut raw, 0xFE, low16(low32(DESCRIPTOR_SIZE as u64)));
        put_u32(&mut raw, 0x100, MOUNT_OPTIONS);
        put_u32(&mut raw, 0x108, low32(self.time));
        put_u32(&mut raw, 0x150, high32(self.blocks));
        put_u32(&mut raw, 0x158, high32(self.free_blocks));
        put_u16(&mut raw, 0x15C, EXTRA_INODE_SIZE);
        put_u16(&mut raw, 0x15E, EXTRA_INODE_SIZE);
        put_u32(&mut raw, 0x160, FLAG_UNSIGNED_HASH);
        raw[0x174] = LOG_GROUPS_PER_FLEX;
        raw[0x175] = CHECKSUM_CRC32C;
        // The overhead of the largest disk has 31 bits.
        put_u32(&mut raw, 0x248, low32(self.overhead));
        let time_high = (high32(self.time) & 0xFF) as u8;
        for field in [0x274, 0x276, 0x277] {
            raw[field] = time_high;
        }
        let checksum = Checksum::START.update(&raw[..0x3FC]);
        put_u32(&mut raw, 0x3FC, checksum.value());
        raw
    }
}
