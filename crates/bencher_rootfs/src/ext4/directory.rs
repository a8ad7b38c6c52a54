//! Directories: entries in blocks, and a hash index over the blocks if there are several.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/directory.rst`. A directory that fits into
//! one block has no index. Every other one is made of a root, at most one level of index nodes, and
//! leaves, in this order; leaves are ordered by the hash of their entries' names:
//!
//! ```text
//!            ┌──────┐
//!            │ root │  ".", "..", hash → block
//!            └──┬───┘
//!      ┌────────┴────────┐
//!   ┌──┴───┐         ┌───┴──┐
//!   │ node │         │ node │  hash → block (only beyond 507 leaves)
//!   └──┬───┘         └───┬──┘
//!   ┌──┴──┬──────┐   ┌───┴─┬──────┐
//! ┌─┴──┐┌─┴──┐┌──┴─┐┌┴───┐┌┴───┐┌─┴──┐
//! │leaf││leaf││leaf││leaf││leaf││leaf│  entries
//! └────┘└────┘└────┘└────┘└────┘└────┘
//! ```

mod index;
#[cfg(test)]
mod tests;

use super::checksum::Checksum;
use super::format::{BLOCK_SIZE, Block, low16, low32, put_u16, put_u32};
use index::Index;

/// Bytes of an entry before its name.
const HEADER_SIZE: usize = 8;
/// The checksum at the end of a block, dressed up as an entry without a name.
const TAIL_SIZE: usize = 12;
const TAIL: usize = BLOCK_SIZE - TAIL_SIZE;
const TAIL_TYPE: u8 = 0xDE;
const DIRECTORY_TYPE: u8 = 2;

/// One entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'t> {
    /// 1 to 255 bytes.
    pub(super) name: &'t [u8],
    pub(super) inode: u32,
    /// See [`entry_type`](super::inode::entry_type).
    pub(super) kind: u8,
}

impl Entry<'_> {
    /// Bytes that the entry takes.
    fn size(&self) -> usize {
        (HEADER_SIZE + self.name.len()).next_multiple_of(4)
    }
}

/// The entries of a directory do not fit into an index of two levels.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct TooLarge;

/// A directory whose blocks are known but not yet made.
#[derive(Debug)]
pub(super) struct Directory<'t> {
    /// Its own inode, and its parent's.
    inode: u32,
    parent: u32,
    entries: Vec<Entry<'t>>,
    index: Option<Index>,
}

impl<'t> Directory<'t> {
    /// Decides which block holds what.
    pub(super) fn plan(
        inode: u32,
        parent: u32,
        entries: Vec<Entry<'t>>,
        hash_seed: [u32; 4],
    ) -> Result<Self, TooLarge> {
        let size: usize = entries.iter().map(Entry::size).sum();
        let dots = dots(inode, parent);
        let in_one_block = dots[0].size() + dots[1].size() + size <= TAIL;
        let index = if in_one_block {
            None
        } else {
            Some(Index::plan(&entries, hash_seed)?)
        };
        Ok(Self {
            inode,
            parent,
            entries,
            index,
        })
    }

    /// A directory without entries.
    pub(super) fn empty(inode: u32, parent: u32) -> Self {
        Self {
            inode,
            parent,
            entries: Vec::new(),
            index: None,
        }
    }

    pub(super) fn is_indexed(&self) -> bool {
        self.index.is_some()
    }

    /// The number of blocks.
    pub(super) fn blocks(&self) -> u64 {
        self.index.as_ref().map_or(1, Index::blocks)
    }

    /// Makes the blocks, in order. `seed` is that of the directory's inode.
    pub(super) fn build<E>(
        &self,
        seed: Checksum,
        mut emit: impl FnMut(&Block) -> Result<(), E>,
    ) -> Result<(), E> {
        let dots = dots(self.inode, self.parent);
        match &self.index {
            None => emit(&leaf(seed, dots.iter().chain(&self.entries))),
            Some(index) => index.build(&self.entries, &dots, seed, emit),
        }
    }
}

fn dots(inode: u32, parent: u32) -> [Entry<'static>; 2] {
    let dot = |name, inode| Entry {
        name,
        inode,
        kind: DIRECTORY_TYPE,
    };
    [dot(b".", inode), dot(b"..", parent)]
}

/// A block of entries, which must fit. The last one takes the space that is left.
fn leaf<'e>(seed: Checksum, entries: impl Iterator<Item = &'e Entry<'e>>) -> Block {
    let mut block = [0; BLOCK_SIZE];
    let mut end = 0;
    let mut last = 0;
    for entry in entries {
        last = end;
        end += entry.size();
        put_entry(&mut block, last, entry, end - last);
    }
    put_record_length(&mut block, last, TAIL - last);
    let checksum = seed.update(&block[..TAIL]);
    put_record_length(&mut block, TAIL, TAIL_SIZE);
    block[TAIL + 7] = TAIL_TYPE;
    put_u32(&mut block, TAIL + 8, checksum.value());
    block
}

fn put_entry(block: &mut Block, at: usize, entry: &Entry<'_>, length: usize) {
    put_u32(block, at, entry.inode);
    put_record_length(block, at, length);
    block[at + 6] = entry.name.len().to_le_bytes()[0];
    block[at + 7] = entry.kind;
    block[at + HEADER_SIZE..][..entry.name.len()].copy_from_slice(entry.name);
}

/// How many bytes there are from this entry to the next.
fn put_record_length(block: &mut Block, at: usize, length: usize) {
    put_u16(block, at + 4, low16(low32(length as u64)));
}
