//! Where bitmaps and inode tables lie, and filling the inode tables.

use std::fs::File;

use super::Ext4Error;
use super::allocator::FreeSpace;
use super::format::{BLOCK_SIZE, Block, INODE_SIZE, INODES_PER_BLOCK};
use super::layout::Layout;
use super::output::BlockWriter;

/// Where the bitmaps and the inode table of each group lie, in blocks.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) inodes_per_group: u32,
    pub(super) block_bitmaps: Vec<u64>,
    pub(super) inode_bitmaps: Vec<u64>,
    /// Where each begins; each is contiguous.
    pub(super) inode_tables: Vec<u64>,
}

impl Placement {
    /// Takes the blocks; nothing if there are not enough. They are contiguous, behind the contents,
    /// as far as there is room.
    pub(super) fn take(
        layout: &Layout,
        inodes_per_group: u32,
        free: &mut FreeSpace,
    ) -> Option<Self> {
        let groups = layout.groups();
        let table = u64::from(inodes_per_group / INODES_PER_BLOCK);
        // The tables first: they need the longest runs.
        let inode_tables = free.take_pieces(groups, table)?;
        Some(Self {
            inodes_per_group,
            inode_tables,
            block_bitmaps: free.take_pieces(groups, 1)?,
            inode_bitmaps: free.take_pieces(groups, 1)?,
        })
    }
}

/// Fills the inode tables from the first inode on. Blocks behind the last inode are not written.
#[derive(Debug)]
pub(super) struct InodeTables<'a> {
    placement: &'a Placement,
    writer: BlockWriter<'a>,
    /// The block that is being filled, by its number among those of all tables.
    current: u32,
    block: Block,
    /// Directories in each group so far.
    directories: Vec<u32>,
}

impl<'a> InodeTables<'a> {
    pub(super) fn new(file: &'a File, placement: &'a Placement) -> Self {
        Self {
            placement,
            writer: BlockWriter::new(file),
            current: 0,
            block: [0; BLOCK_SIZE],
            directories: Vec::new(),
        }
    }

    /// Adds an inode. Must be called with ascending numbers; those left out are zero.
    pub(super) fn put(
        &mut self,
        inode: u32,
        raw: &[u8; INODE_SIZE],
        is_directory: bool,
    ) -> Result<(), Ext4Error> {
        let index = inode - 1;
        self.finish_blocks(index / INODES_PER_BLOCK)?;
        let place = (index % INODES_PER_BLOCK) as usize * INODE_SIZE;
        self.block[place..place + INODE_SIZE].copy_from_slice(raw);
        if is_directory {
            let group = (index / self.placement.inodes_per_group) as usize;
            if self.directories.len() <= group {
                self.directories.resize(group + 1, 0);
            }
            self.directories[group] += 1;
        }
        Ok(())
    }

    /// Writes what is left, and gives the number of directories of each group; the list ends with
    /// the last group that has some.
    pub(super) fn finish(mut self) -> Result<Vec<u32>, Ext4Error> {
        self.finish_blocks(self.current + 1)?;
        self.writer.flush()?;
        Ok(self.directories)
    }

    /// Puts the blocks before `next`.
    fn finish_blocks(&mut self, next: u32) -> Result<(), Ext4Error> {
        let blocks_per_table = self.placement.inodes_per_group / INODES_PER_BLOCK;
        while self.current < next {
            let group = (self.current / blocks_per_table) as usize;
            let within = u64::from(self.current % blocks_per_table);
            let place = self.placement.inode_tables[group] + within;
            self.writer.put(place, &self.block)?;
            self.block = [0; BLOCK_SIZE];
            self.current += 1;
        }
        Ok(())
    }
}
