//! What is written last: bitmaps, group descriptors and superblocks.

use std::fs::File;

use super::Ext4Error;
use super::allocator::Run;
use super::bitmap::{self, FreeBlocks};
use super::checksum::Checksum;
use super::descriptor::{BLOCKS_UNINITIALIZED, Descriptor, INODES_UNINITIALIZED, INODES_ZEROED};
use super::format::{BLOCK_BYTES, BLOCK_SIZE, Block, low32};
use super::layout::{Layout, group_start};
use super::output::{BlockWriter, write_at};
use super::tables::Placement;

/// Bytes of descriptors that are written at once to every copy.
const CHUNK_SIZE: usize = 256 * BLOCK_SIZE;

/// What is in use when everything else was written.
#[derive(Debug)]
pub(super) struct Usage<'a> {
    /// The free blocks, ascending.
    pub(super) free: &'a [Run],
    /// The number of inodes in use, which are the first ones.
    pub(super) inodes: u32,
    /// The number of directories in the first groups; the others have none.
    pub(super) directories: &'a [u32],
}

/// Writes the bitmaps and all copies of the group descriptors.
pub(super) fn write_groups(
    file: &File,
    layout: &Layout,
    placement: &Placement,
    usage: &Usage<'_>,
    seed: Checksum,
) -> Result<(), Ext4Error> {
    let copies = layout.superblock_groups();
    let mut free = FreeBlocks::new(usage.free);
    let mut block_bitmaps = BlockWriter::new(file);
    let mut inode_bitmaps = BlockWriter::new(file);
    let mut chunk = Vec::new();
    let mut written = 0;
    for group in 0..layout.groups() {
        let blocks = GroupBlocks::of(layout, group, &mut free);
        let inodes = GroupInodes::of(placement.inodes_per_group, group, usage);
        let mut descriptor = Descriptor {
            block_bitmap: placement.block_bitmaps[group as usize],
            inode_bitmap: placement.inode_bitmaps[group as usize],
            inode_table: placement.inode_tables[group as usize],
            free_blocks: blocks.free,
            free_inodes: inodes.free,
            directories: inodes.directories,
            unused_inodes: inodes.free,
            flags: INODES_ZEROED,
            block_bitmap_checksum: 0,
            inode_bitmap_checksum: 0,
        };
        match blocks.bitmap {
            None => descriptor.flags |= BLOCKS_UNINITIALIZED,
            Some(bitmap) => {
                block_bitmaps.put(descriptor.block_bitmap, &bitmap)?;
                descriptor.block_bitmap_checksum = seed.update(&bitmap).value();
            }
        }
        match inodes.bitmap {
            None => descriptor.flags |= INODES_UNINITIALIZED,
            Some(bitmap) => {
                inode_bitmaps.put(descriptor.inode_bitmap, &bitmap)?;
                let bytes = placement.inodes_per_group as usize / 8;
                descriptor.inode_bitmap_checksum = seed.update(&bitmap[..bytes]).value();
            }
        }
        chunk.extend_from_slice(&descriptor.encode(seed, group));
        if chunk.len() == CHUNK_SIZE || group + 1 == layout.groups() {
            for &copy in &copies {
                let table = (group_start(copy) + 1) * BLOCK_BYTES;
                write_at(file, table + written, &chunk)?;
            }
            written += chunk.len() as u64;
            chunk.clear();
        }
    }
    block_bitmaps.flush()?;
    inode_bitmaps.flush()
}

/// The blocks of one group.
struct GroupBlocks {
    free: u32,
    /// Nothing if it follows from the layout.
    bitmap: Option<Block>,
}

impl GroupBlocks {
    /// Must be called with ascending groups.
    fn of(layout: &Layout, group: u32, free: &mut FreeBlocks<'_>) -> Self {
        let start = group_start(group);
        let blocks = layout.group_blocks(group);
        let stretches: Vec<_> = free.among(start..start + blocks).collect();
        let count: u64 = stretches.iter().map(|free| free.len() as u64).sum();
        let untouched = count == blocks - layout.fixed_blocks(group);
        // `e2fsck` wants the bitmaps of the first and the last group in any case.
        let always = group == 0 || group + 1 == layout.groups();
        Self {
            free: low32(count),
            bitmap: if untouched && !always {
                None
            } else {
                Some(bitmap::with_free(stretches))
            },
        }
    }
}

/// The inodes of one group.
struct GroupInodes {
    free: u32,
    directories: u32,
    /// Nothing if all are free.
    bitmap: Option<Block>,
}

impl GroupInodes {
    fn of(per_group: u32, group: u32, usage: &Usage<'_>) -> Self {
        let before = u64::from(group) * u64::from(per_group);
        let used = low32(u64::from(usage.inodes).saturating_sub(before)).min(per_group);
        let directories = usage.directories.get(group as usize);
        Self {
            free: per_group - used,
            directories: directories.copied().unwrap_or(0),
            bitmap: if used == 0 {
                None
            } else {
                Some(bitmap::with_free(Some(used as usize..per_group as usize)))
            },
        }
    }
}
