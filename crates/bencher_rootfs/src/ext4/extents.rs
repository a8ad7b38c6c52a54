//! Extent trees: which blocks of the disk hold which blocks of a file.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/ifork.rst`, section "Extent Tree". Up to
//! four extents lie in the inode; more lie in blocks of 340, under as many levels of index blocks
//! as it takes. The trees made here are full from the left, so they are as low as possible.

use super::allocator::Run;
use super::checksum::Checksum;
use super::format::{BLOCK_SIZE, Block, high32, low16, low32, put_u16, put_u32};

/// The longest initialized extent, in blocks.
const MAX_LENGTH: u64 = 32_768;
const MAGIC: u16 = 0xF30A;
/// Bytes of a header, of an extent, and of an index entry.
const ENTRY_SIZE: usize = 12;
const PER_INODE: usize = 4;
const PER_BLOCK: usize = (BLOCK_SIZE - ENTRY_SIZE) / ENTRY_SIZE;
/// Where the checksum of a block lies: right after the last place for an entry.
const TAIL: usize = ENTRY_SIZE * (1 + PER_BLOCK);

/// What an inode stores of an extent tree.
pub(super) type Root = [u8; 60];

/// A stretch of a file that is contiguous on the disk; all in blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Extent {
    logical: u32,
    physical: u64,
    length: u16,
}

/// The extents of one file, ascending.
#[derive(Debug, Default)]
pub(super) struct Extents {
    list: Vec<Extent>,
    blocks: u64,
}

impl Extents {
    /// Adds `run` as the blocks of the file from `logical` on, which must be after all that were
    /// added before.
    pub(super) fn push(&mut self, logical: u32, run: Run) {
        let mut logical = u64::from(logical);
        let mut physical = run.start;
        let mut left = run.length;
        self.blocks += left;
        if let Some(last) = self.list.last_mut() {
            let length = u64::from(last.length);
            if u64::from(last.logical) + length == logical && last.physical + length == physical {
                let more = left.min(MAX_LENGTH - length);
                // At most 32,768.
                last.length = low16(low32(length + more));
                logical += more;
                physical += more;
                left -= more;
            }
        }
        while left > 0 {
            let length = left.min(MAX_LENGTH);
            self.list.push(Extent {
                logical: low32(logical),
                physical,
                length: low16(low32(length)),
            });
            logical += length;
            physical += length;
            left -= length;
        }
    }

    /// Adds `run` right behind all that was added before, which has no holes.
    pub(super) fn append(&mut self, run: Run) {
        self.push(low32(self.blocks), run);
    }

    /// The number of blocks of the disk that hold contents.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The number of blocks that the tree needs besides the inode.
    pub(super) fn tree_blocks(&self) -> u64 {
        let mut level = self.list.len();
        let mut blocks = 0;
        while level > PER_INODE {
            level = level.div_ceil(PER_BLOCK);
            blocks += level as u64;
        }
        blocks
    }

    /// Lays the tree out over `places`, [`tree_blocks`](Self::tree_blocks) blocks of the disk, and
    /// hands each to `emit` in that order. Gives what goes into the inode.
    pub(super) fn build<E>(
        &self,
        places: impl IntoIterator<Item = u64>,
        seed: Checksum,
        mut emit: impl FnMut(u64, &Block) -> Result<(), E>,
    ) -> Result<Root, E> {
        let mut places = places.into_iter();
        let mut root = [0; 60];
        if self.list.len() <= PER_INODE {
            fill(&mut root, PER_INODE, 0, &self.list, put_extent);
            return Ok(root);
        }
        let mut depth = 0;
        let mut above = Vec::new();
        for (extents, place) in self.list.chunks(PER_BLOCK).zip(&mut places) {
            emit(place, &block(seed, depth, extents, put_extent))?;
            above.push((extents[0].logical, place));
        }
        while above.len() > PER_INODE {
            depth += 1;
            let mut next = Vec::new();
            for (children, place) in above.chunks(PER_BLOCK).zip(&mut places) {
                emit(place, &block(seed, depth, children, put_index))?;
                next.push((children[0].0, place));
            }
            above = next;
        }
        fill(&mut root, PER_INODE, depth + 1, &above, put_index);
        Ok(root)
    }
}

fn block<T>(seed: Checksum, depth: u16, entries: &[T], put: fn(&mut [u8], &T)) -> Block {
    let mut block = [0; BLOCK_SIZE];
    fill(&mut block, PER_BLOCK, depth, entries, put);
    let checksum = seed.update(&block[..TAIL]);
    put_u32(&mut block, TAIL, checksum.value());
    block
}

fn fill<T>(node: &mut [u8], room: usize, depth: u16, entries: &[T], put: fn(&mut [u8], &T)) {
    let count = |number: usize| low16(low32(number as u64));
    put_u16(node, 0, MAGIC);
    put_u16(node, 2, count(entries.len()));
    put_u16(node, 4, count(room));
    put_u16(node, 6, depth);
    for (place, entry) in node[ENTRY_SIZE..].chunks_mut(ENTRY_SIZE).zip(entries) {
        put(place, entry);
    }
}

fn put_extent(place: &mut [u8], extent: &Extent) {
    put_u32(place, 0, extent.logical);
    put_u16(place, 4, extent.length);
    put_u16(place, 6, low16(high32(extent.physical)));
    put_u32(place, 8, low32(extent.physical));
}

fn put_index(place: &mut [u8], &(logical, child): &(u32, u64)) {
    put_u32(place, 0, logical);
    put_u32(place, 4, low32(child));
    put_u16(place, 8, low16(high32(child)));
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn run(start: u64, length: u64) -> Run {
        Run { start, length }
    }

    /// Extents that do not touch, so that none can be merged.
    fn scattered(count: u32) -> Extents {
        let mut extents = Extents::default();
        for number in 0..count {
            extents.push(2 * number, run(1000 + 3 * u64::from(number), 1));
        }
        extents
    }

    fn build(extents: &Extents) -> (Root, Vec<u64>) {
        let mut written = Vec::new();
        let root = extents
            .build(7.., Checksum::START, |place, _| {
                written.push(place);
                Ok::<_, Infallible>(())
            })
            .unwrap();
        (root, written)
    }

    #[test]
    fn merges_what_touches_and_splits_what_is_too_long() {
        let mut extents = Extents::default();
        extents.push(0, run(100, 32_767));
        extents.push(32_767, run(32_867, 3));
        extents.push(32_771, run(32_870, 70_000));
        let list: Vec<_> = extents
            .list
            .iter()
            .map(|extent| (extent.logical, extent.physical, extent.length))
            .collect();
        let expected = [
            (0, 100, 32_768),
            (32_768, 32_868, 2),
            (32_771, 32_870, 32_768),
            (65_539, 65_638, 32_768),
            (98_307, 98_406, 4464),
        ];
        assert_eq!(list, expected);
        assert_eq!(extents.blocks(), 32_770 + 70_000);
    }

    #[test]
    fn trees_are_as_low_as_possible() {
        for (count, blocks, depth) in [
            (0, 0, 0),
            (4, 0, 0),
            (5, 1, 1),
            (340, 1, 1),
            (4 * 340, 4, 1),
            (4 * 340 + 1, 5 + 1, 2),
            (341 * 340, 341 + 2, 2),
        ] {
            let extents = scattered(count);
            let (root, written) = build(&extents);
            assert_eq!(extents.tree_blocks(), blocks, "{count}");
            assert_eq!(written.len() as u64, blocks, "{count}");
            assert!(written.is_sorted());
            assert_eq!(u16::from_le_bytes([root[6], root[7]]), depth, "{count}");
        }
    }

    #[test]
    fn an_extent_looks_as_documented() {
        let mut extents = Extents::default();
        extents.push(5, run(0x0001_2345_6789, 2));
        let (root, _) = build(&extents);
        let expected = [
            0x0A, 0xF3, 1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 2, 0, 0x01, 0, 0x89, 0x67, 0x45,
            0x23,
        ];
        assert_eq!(root[..24], expected);
    }
}
