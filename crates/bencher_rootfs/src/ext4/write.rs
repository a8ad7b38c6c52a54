//! The order in which an image is written.

use std::fs::File;

use super::Ext4Error;
use super::allocator::FreeSpace;
use super::checksum::Checksum;
use super::format::BLOCK_BYTES;
use super::groups::{Usage, write_groups};
use super::layout::{Layout, group_start};
use super::nodes::NodeWriter;
use super::numbering::{MAX_INODES, Numbering};
use super::output::write_at;
use super::source::Source;
use super::superblock::{SUPERBLOCK_OFFSET, Superblock};
use super::tables::{InodeTables, Placement};
use crate::tree::{Kind, Tree};

/// What an image is made with besides a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options {
    /// What the image's UUID and the seed of its directory hashes are taken from: the digest of
    /// whatever the image is built from. Images with the same digest have the same UUID.
    pub digest: [u8; 32],
    /// The time at which the filesystem was made, in seconds since 1970, also of a `lost+found`
    /// that the tree has not. Only the low 40 bits count.
    pub time: u64,
}

impl Options {
    /// The first half of the digest, marked as a UUID of version 8 (RFC 9562).
    fn uuid(&self) -> [u8; 16] {
        let mut uuid = [0; 16];
        uuid.copy_from_slice(&self.digest[..16]);
        uuid[6] = (uuid[6] & 0x0F) | 0x80;
        uuid[8] = (uuid[8] & 0x3F) | 0x80;
        uuid
    }

    /// The second half of the digest.
    fn hash_seed(&self) -> [u32; 4] {
        let mut seed = [0; 4];
        let (words, _) = self.digest[16..].as_chunks();
        for (word, &bytes) in seed.iter_mut().zip(words) {
            *word = u32::from_le_bytes(bytes);
        }
        seed
    }
}

/// How full an image is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Written {
    /// Bytes of the filesystem: the size of the disk, but for a remainder too small to be used.
    pub bytes: u64,
    /// Bytes that are free.
    pub free_bytes: u64,
    /// The number of inodes.
    pub inodes: u32,
    /// The number of inodes that are free.
    pub free_inodes: u32,
}

/// Writes everything of a filesystem but the contents of its files, which lie in `file` already, in
/// the ranges that `layout` gives, where `tree` says.
///
/// The image becomes as large as the layout says. Outside of the contents that `tree` refers to,
/// `file` must hold nothing but zeroes (best: holes): what is not used is not written, and the
/// unused parts of inode tables count on it. The same input gives the same bytes.
///
/// # Errors
/// [`Ext4Error::DiskTooSmall`] if the tree does not fit; otherwise errors that name the entry which
/// ext4 can not hold, or say what could not be written. The image is useless then.
pub fn write(
    file: &File,
    layout: &Layout,
    tree: &Tree,
    options: &Options,
) -> Result<Written, Ext4Error> {
    let size = layout.size_bytes();
    file.set_len(size)
        .map_err(|source| Ext4Error::Resize { size, source })?;
    let numbering = Numbering::of(tree).ok_or(Ext4Error::TooManyEntries {
        entries: tree.len() as u64,
        limit: MAX_INODES,
    })?;
    let source = Source {
        tree,
        layout,
        numbering,
        hash_seed: options.hash_seed(),
    };
    let seed = Checksum::of_volume(&options.uuid());
    let mut free = FreeSpace::new(layout.free_runs(), source.contents())?;
    let placement = layout
        .inodes_per_group(tree.len() as u64)
        .and_then(|each| Placement::take(layout, each, &mut free))
        .ok_or_else(|| source.disk_too_small())?;

    let mut tables = InodeTables::new(file, &placement);
    let mut nodes = NodeWriter::new(file, &source, seed, free);
    for id in tree.ids() {
        let inode = numbering.inode(id);
        let is_directory = tree.node(id).kind == Kind::Directory;
        let raw = nodes.write(inode, source.prepare(id)?)?;
        tables.put(inode, &raw, is_directory)?;
        if id == tree.root()
            && let Some(inode) = numbering.lost_and_found()
        {
            let directory = Source::lost_and_found(inode, options.time);
            tables.put(inode, &nodes.write(inode, directory)?, true)?;
        }
    }
    let directories = tables.finish()?;
    let free = nodes.finish()?;

    let usage = Usage {
        free: &free,
        inodes: numbering.used(),
        directories: &directories,
    };
    write_groups(file, layout, &placement, &usage, seed)?;
    let inodes = placement.inodes_per_group * layout.groups();
    let superblock = Superblock {
        inodes,
        free_inodes: inodes - usage.inodes,
        blocks: layout.blocks(),
        free_blocks: free.iter().map(|run| run.length).sum(),
        inodes_per_group: placement.inodes_per_group,
        overhead: layout.overhead(placement.inodes_per_group),
        uuid: options.uuid(),
        hash_seed: options.hash_seed(),
        time: options.time,
    };
    write_superblocks(file, layout, &superblock)?;
    Ok(Written {
        bytes: superblock.blocks * BLOCK_BYTES,
        free_bytes: superblock.free_blocks * BLOCK_BYTES,
        inodes,
        free_inodes: superblock.free_inodes,
    })
}

/// The backups first: an image that was not finished has no valid superblock.
fn write_superblocks(
    file: &File,
    layout: &Layout,
    superblock: &Superblock,
) -> Result<(), Ext4Error> {
    for group in layout.superblock_groups().into_iter().rev() {
        let offset = if group == 0 { SUPERBLOCK_OFFSET } else { 0 };
        let position = group_start(group) * BLOCK_BYTES + offset;
        write_at(file, position, &superblock.encode(group))?;
    }
    Ok(())
}
