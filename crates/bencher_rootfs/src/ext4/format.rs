//! Numbers and byte helpers of the on-disk format that several modules share.
//!
//! Everything on disk is little-endian.

/// Bytes of a block.
pub(super) const BLOCK_SIZE: usize = 4096;
/// [`BLOCK_SIZE`] where offsets in the image are meant.
pub(super) const BLOCK_BYTES: u64 = 4096;
/// Blocks of a group: as many as one block of bitmap describes.
pub(super) const BLOCKS_PER_GROUP: u64 = 32_768;
/// Bytes of the blocks of a group.
pub(super) const GROUP_BYTES: u64 = BLOCKS_PER_GROUP * BLOCK_BYTES;
/// The most inodes of a group: as many as one block of bitmap describes.
pub(super) const MAX_INODES_PER_GROUP: u32 = 32_768;
/// Bytes of an inode.
pub(super) const INODE_SIZE: usize = 256;
/// Inodes in a block of an inode table.
pub(super) const INODES_PER_BLOCK: u32 = 16;
/// Bytes of the inode after the 128 of ext2 that hold fields; extended attributes follow them.
pub(super) const EXTRA_INODE_SIZE: u16 = 32;
/// Bytes of a group descriptor with the `64bit` feature.
pub(super) const DESCRIPTOR_SIZE: usize = 64;
/// Group descriptors in a block.
pub(super) const DESCRIPTORS_PER_BLOCK: u64 = 64;
/// The inode of the root directory.
pub(super) const ROOT_INODE: u32 = 2;
/// The first inode that is not reserved.
pub(super) const FIRST_INODE: u32 = 11;
/// The unit of `i_blocks`.
pub(super) const SECTORS_PER_BLOCK: u64 = 8;

/// A block of metadata.
pub(super) type Block = [u8; BLOCK_SIZE];

pub(super) fn put_u16(buffer: &mut [u8], offset: usize, value: u16) {
    buffer[offset..offset + 2].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn put_u32(buffer: &mut [u8], offset: usize, value: u32) {
    buffer[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) const fn low16(value: u32) -> u16 {
    (value & 0xFFFF) as u16
}

pub(super) const fn high16(value: u32) -> u16 {
    (value >> 16) as u16
}

pub(super) const fn low32(value: u64) -> u32 {
    (value & 0xFFFF_FFFF) as u32
}

pub(super) const fn high32(value: u64) -> u32 {
    (value >> 32) as u32
}
