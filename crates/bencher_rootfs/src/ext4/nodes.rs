//! Giving blocks to nodes, and writing these blocks.

use std::fs::File;

use super::Ext4Error;
use super::allocator::{FreeSpace, Run};
use super::checksum::Checksum;
use super::directory::Directory;
use super::extents::{self, Extents};
use super::format::{BLOCK_BYTES, BLOCK_SIZE, Block, INODE_SIZE};
use super::inode::{EXTENTS_FLAG, INDEX_FLAG, Inode};
use super::output::BlockWriter;
use super::source::{Body, Prepared, Source};
use super::xattr;

/// All inodes are of the same generation, as their numbers were never used before.
const GENERATION: u32 = 0;

/// Writes what belongs to inodes but does not fit into them.
#[derive(Debug)]
pub(super) struct NodeWriter<'a> {
    source: &'a Source<'a>,
    /// The volume's.
    seed: Checksum,
    free: FreeSpace,
    writer: BlockWriter<'a>,
    /// Blocks just taken.
    taken: Vec<Run>,
}

/// What an inode stores of its contents.
struct Stored {
    size: u64,
    /// Blocks of contents, and of the tree that finds them.
    blocks: u64,
    flags: u32,
    block: [u8; 60],
}

impl<'a> NodeWriter<'a> {
    /// `free` is what is left for the blocks that will be written.
    pub(super) fn new(
        file: &'a File,
        source: &'a Source<'a>,
        seed: Checksum,
        free: FreeSpace,
    ) -> Self {
        Self {
            source,
            seed,
            free,
            writer: BlockWriter::new(file),
            taken: Vec::new(),
        }
    }

    /// Writes the blocks of a node, and gives its inode as stored.
    pub(super) fn write(
        &mut self,
        inode: u32,
        prepared: Prepared<'_>,
    ) -> Result<[u8; INODE_SIZE], Ext4Error> {
        let seed = self.seed.of_inode(inode, GENERATION);
        let stored = match &prepared.body {
            Body::Directory(directory) => self.write_directory(directory, seed)?,
            Body::File { size, extents } => self.store(*size, extents, seed)?,
            Body::Target(target) => self.write_target(target, seed)?,
            Body::Inline { size, block } => Stored {
                size: *size,
                blocks: 0,
                flags: 0,
                block: *block,
            },
        };
        let xattr_block = match prepared.xattrs.block {
            None => 0,
            Some(block) => self.write_xattrs(block)?,
        };
        let inode = Inode {
            node: prepared.node,
            size: stored.size,
            links: prepared.links,
            blocks: stored.blocks + u64::from(xattr_block != 0),
            flags: stored.flags,
            block: stored.block,
            xattr_block,
            xattrs: &prepared.xattrs.inode,
        };
        Ok(inode.encode(seed))
    }

    /// Writes what is left, and gives the blocks that are free in the end, ascending.
    pub(super) fn finish(mut self) -> Result<Vec<Run>, Ext4Error> {
        self.writer.flush()?;
        Ok(self.free.into_runs())
    }

    fn take(&mut self, count: u64) -> Result<(), Ext4Error> {
        if self.free.take(count, &mut self.taken) {
            Ok(())
        } else {
            Err(self.source.disk_too_small())
        }
    }

    /// The extents of a file that consists of the blocks just taken.
    fn taken_extents(&self) -> Extents {
        let mut extents = Extents::default();
        for &run in &self.taken {
            extents.append(run);
        }
        extents
    }

    fn write_directory(
        &mut self,
        directory: &Directory<'_>,
        seed: Checksum,
    ) -> Result<Stored, Ext4Error> {
        self.take(directory.blocks())?;
        let extents = self.taken_extents();
        let mut places = self.taken.iter().flat_map(|run| run.blocks());
        let writer = &mut self.writer;
        directory.build(seed, |block| match places.next() {
            Some(place) => writer.put(place, block),
            None => Ok(()),
        })?;
        let mut stored = self.store(directory.blocks() * BLOCK_BYTES, &extents, seed)?;
        if directory.is_indexed() {
            stored.flags |= INDEX_FLAG;
        }
        Ok(stored)
    }

    fn write_target(&mut self, target: &[u8], seed: Checksum) -> Result<Stored, Ext4Error> {
        self.take(1)?;
        let extents = self.taken_extents();
        let mut block = [0; BLOCK_SIZE];
        block[..target.len()].copy_from_slice(target);
        self.put_taken(&block)?;
        self.store(target.len() as u64, &extents, seed)
    }

    fn write_xattrs(&mut self, mut block: Box<Block>) -> Result<u64, Ext4Error> {
        self.take(1)?;
        let place = self.taken[0].start;
        xattr::seal(&mut block, place, self.seed);
        self.put_taken(&block)?;
        Ok(place)
    }

    /// Writes the first of the blocks just taken.
    fn put_taken(&mut self, block: &Block) -> Result<(), Ext4Error> {
        self.writer.put(self.taken[0].start, block)
    }

    /// Writes the extent tree of contents that lie on the disk already.
    fn store(&mut self, size: u64, extents: &Extents, seed: Checksum) -> Result<Stored, Ext4Error> {
        let tree_blocks = extents.tree_blocks();
        self.take(tree_blocks)?;
        let places = self.taken.iter().flat_map(|run| run.blocks());
        let writer = &mut self.writer;
        let block: extents::Root =
            extents.build(places, seed, |place, block| writer.put(place, block))?;
        Ok(Stored {
            size,
            blocks: extents.blocks() + tree_blocks,
            flags: EXTENTS_FLAG,
            block,
        })
    }
}
