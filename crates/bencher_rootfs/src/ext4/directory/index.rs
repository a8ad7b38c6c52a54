//! The hash index of a directory.

use super::super::checksum::Checksum;
use super::super::format::{BLOCK_SIZE, Block, low16, low32, put_u16, put_u32};
use super::super::hash::{NameHash, half_md4};
use super::{Entry, HEADER_SIZE, TAIL, TooLarge, leaf, put_entry, put_record_length};

/// Bytes of an entry of the index: a hash and a block. The hash of the first one in a block is not
/// needed; its place tells how many there are and how many fit.
const INDEX_ENTRY_SIZE: usize = 8;
/// Unused bytes and a checksum, behind the last place for an entry.
const INDEX_TAIL_SIZE: usize = 8;
/// What the root says of itself: the hash function, the size of this, and the levels below it.
const INFO: usize = 24;
const INFO_SIZE: usize = 8;
const HASH_HALF_MD4: u8 = 1;

const ROOT_START: usize = INFO + INFO_SIZE;
const NODE_START: usize = HEADER_SIZE;
const ROOT_LIMIT: usize = (BLOCK_SIZE - ROOT_START - INDEX_TAIL_SIZE) / INDEX_ENTRY_SIZE;
const NODE_LIMIT: usize = (BLOCK_SIZE - NODE_START - INDEX_TAIL_SIZE) / INDEX_ENTRY_SIZE;

/// Leaves and nodes are filled to seven eighths, so that not every new entry splits one.
const LEAF_FILL: usize = TAIL / 8 * 7;
const NODE_FILL: usize = NODE_LIMIT / 8 * 7;

/// An entry of the directory by its hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Hashed {
    hash: NameHash,
    /// Its number among the entries.
    entry: u32,
}

/// A leaf.
#[derive(Clone, Copy, Debug)]
struct Leaf {
    /// The smallest hash in it; the lowest bit tells that the leaf before ends with it too.
    hash: u32,
    /// The position of its first entry in [`Index::order`].
    first: usize,
}

/// Which leaf holds which entries.
#[derive(Debug)]
pub(super) struct Index {
    order: Vec<Hashed>,
    leaves: Vec<Leaf>,
    /// Leaves under each node, if there is a level of nodes.
    leaves_per_node: Option<usize>,
}

impl Index {
    pub(super) fn plan(entries: &[Entry<'_>], hash_seed: [u32; 4]) -> Result<Self, TooLarge> {
        let mut order: Vec<Hashed> = (0..)
            .zip(entries)
            .map(|(number, entry)| Hashed {
                hash: half_md4(entry.name, hash_seed),
                entry: number,
            })
            .collect();
        order.sort_unstable();
        let leaves = pack(entries, &order);
        let leaves_per_node = leaves_per_node(leaves.len())?;
        Ok(Self {
            order,
            leaves,
            leaves_per_node,
        })
    }

    fn nodes(&self) -> usize {
        self.leaves_per_node
            .map_or(0, |each| self.leaves.len().div_ceil(each))
    }

    /// The number of blocks, the root included.
    pub(super) fn blocks(&self) -> u64 {
        (1 + self.nodes() + self.leaves.len()) as u64
    }

    /// Makes all blocks of the directory, in order.
    pub(super) fn build<E>(
        &self,
        entries: &[Entry<'_>],
        dots: &[Entry<'_>; 2],
        seed: Checksum,
        mut emit: impl FnMut(&Block) -> Result<(), E>,
    ) -> Result<(), E> {
        let first_leaf = 1 + self.nodes();
        let leaves: Vec<(u32, u32)> = (low32(first_leaf as u64)..)
            .zip(&self.leaves)
            .map(|(block, leaf)| (leaf.hash, block))
            .collect();
        match self.leaves_per_node {
            None => emit(&root(seed, dots, 0, &leaves))?,
            Some(each) => {
                let nodes: Vec<(u32, u32)> = (1..)
                    .zip(leaves.chunks(each))
                    .map(|(block, leaves)| (leaves[0].0, block))
                    .collect();
                emit(&root(seed, dots, 1, &nodes))?;
                for leaves in leaves.chunks(each) {
                    emit(&node(seed, leaves))?;
                }
            }
        }
        let ends = self.leaves.iter().skip(1).map(|leaf| leaf.first);
        for (start, end) in self.leaves.iter().zip(ends.chain([self.order.len()])) {
            let inside = &self.order[start.first..end];
            let inside = inside.iter().map(|hashed| &entries[hashed.entry as usize]);
            emit(&leaf(seed, inside))?;
        }
        Ok(())
    }
}

/// How many of the leaves to put under each node; nothing if the root has room for all.
pub(super) fn leaves_per_node(leaves: usize) -> Result<Option<usize>, TooLarge> {
    if leaves <= ROOT_LIMIT {
        return Ok(None);
    }
    let nodes = leaves.div_ceil(NODE_FILL).min(ROOT_LIMIT);
    let each = leaves.div_ceil(nodes);
    if each > NODE_LIMIT {
        return Err(TooLarge);
    }
    Ok(Some(each))
}

/// Cuts the entries into leaves.
fn pack(entries: &[Entry<'_>], order: &[Hashed]) -> Vec<Leaf> {
    let mut leaves = Vec::new();
    let mut used = usize::MAX;
    let mut before = None;
    for (position, hashed) in order.iter().enumerate() {
        let size = entries[hashed.entry as usize].size();
        let hash = hashed.hash.major;
        if used.saturating_add(size) > LEAF_FILL {
            leaves.push(Leaf {
                hash: hash | u32::from(before == Some(hash)),
                first: position,
            });
            used = 0;
        }
        used += size;
        before = Some(hash);
    }
    leaves
}

fn root(seed: Checksum, dots: &[Entry<'_>; 2], levels: u8, children: &[(u32, u32)]) -> Block {
    let mut block = [0; BLOCK_SIZE];
    let [dot, dotdot] = dots;
    put_entry(&mut block, 0, dot, dot.size());
    // To those who know no index, the rest of the block is free space.
    put_entry(&mut block, dot.size(), dotdot, BLOCK_SIZE - dot.size());
    block[INFO + 4] = HASH_HALF_MD4;
    block[INFO + 5] = INFO_SIZE.to_le_bytes()[0];
    block[INFO + 6] = levels;
    put_children(&mut block, seed, ROOT_START, ROOT_LIMIT, children);
    block
}

fn node(seed: Checksum, children: &[(u32, u32)]) -> Block {
    let mut block = [0; BLOCK_SIZE];
    put_record_length(&mut block, 0, BLOCK_SIZE);
    put_children(&mut block, seed, NODE_START, NODE_LIMIT, children);
    block
}

fn put_children(
    block: &mut Block,
    seed: Checksum,
    start: usize,
    limit: usize,
    children: &[(u32, u32)],
) {
    let mut end = start;
    for &(hash, child) in children {
        put_u32(block, end, hash);
        put_u32(block, end + 4, child);
        end += INDEX_ENTRY_SIZE;
    }
    put_u16(block, start, low16(low32(limit as u64)));
    put_u16(block, start + 2, low16(low32(children.len() as u64)));
    let tail = start + limit * INDEX_ENTRY_SIZE;
    // The entries in use, and the tail with a checksum of zero.
    let checksum = seed
        .update(&block[..end])
        .update(&block[tail..tail + INDEX_TAIL_SIZE]);
    put_u32(block, tail + 4, checksum.value());
}
