//! The bitmaps of a group: one block each for its blocks and its inodes.
//!
//! Source: the kernel's `Documentation/filesystems/ext4/bitmaps.rst`. A set bit is something in
//! use, or something that does not exist: behind the end of the disk or of the inode table.

use std::ops::Range;

use super::allocator::Run;
use super::format::{BLOCK_SIZE, Block};

/// Bits of a bitmap.
const BITS: usize = 8 * BLOCK_SIZE;

/// A walk over the free blocks of a disk, group by group.
#[derive(Debug)]
pub(super) struct FreeBlocks<'r> {
    runs: &'r [Run],
}

impl<'r> FreeBlocks<'r> {
    /// `runs` are ascending.
    pub(super) fn new(runs: &'r [Run]) -> Self {
        Self { runs }
    }

    /// The free stretches among `blocks`, counted from the first of them. Must be called with
    /// ascending blocks.
    pub(super) fn among(&mut self, blocks: Range<u64>) -> impl Iterator<Item = Range<usize>> {
        let passed = self.runs.partition_point(|run| run.end() <= blocks.start);
        self.runs = &self.runs[passed..];
        let offset = move |block: u64| {
            let offset = block.clamp(blocks.start, blocks.end) - blocks.start;
            // Only a disk without groups would have more blocks than fit.
            usize::try_from(offset).unwrap_or(BITS).min(BITS)
        };
        self.runs
            .iter()
            .take_while(move |run| run.start < blocks.end)
            .map(move |run| offset(run.start)..offset(run.end()))
    }
}

/// A bitmap in which everything is in use but the `free` stretches.
pub(super) fn with_free(free: impl IntoIterator<Item = Range<usize>>) -> Block {
    let mut bitmap = [0xFF; BLOCK_SIZE];
    for stretch in free {
        clear(&mut bitmap, stretch);
    }
    bitmap
}

fn clear(bitmap: &mut Block, bits: Range<usize>) {
    let whole = bits.start.div_ceil(8)..bits.end / 8;
    if whole.start > whole.end {
        // All within one byte.
        bitmap[whole.end] &= !(low_bits(bits.end % 8) & !low_bits(bits.start % 8));
        return;
    }
    if !bits.start.is_multiple_of(8) {
        bitmap[bits.start / 8] &= low_bits(bits.start % 8);
    }
    if !bits.end.is_multiple_of(8) {
        bitmap[whole.end] &= !low_bits(bits.end % 8);
    }
    bitmap[whole].fill(0);
}

/// The `count` lowest bits of a byte, for fewer than 8.
fn low_bits(count: usize) -> u8 {
    (1 << count) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn clears_just_the_stretch(start in 0..BITS, length in 0..2000_usize) {
            let stretch = start..(start + length).min(BITS);
            let bitmap = with_free(Some(stretch.clone()));
            for bit in 0..BITS {
                let used = bitmap[bit / 8] & (1 << (bit % 8)) != 0;
                assert_eq!(used, !stretch.contains(&bit), "{bit}");
            }
        }
    }

    #[test]
    fn free_blocks_are_cut_at_the_groups() {
        let run = |start, length| Run { start, length };
        let runs = [run(2, 3), run(8, 15), run(40, 2)];
        let mut free = FreeBlocks::new(&runs);
        let mut among = |blocks| free.among(blocks).collect::<Vec<_>>();
        assert_eq!(among(0..10), [2..5, 8..10]);
        assert_eq!(among(10..20), vec![0..10]);
        assert_eq!(among(20..30), vec![0..3]);
        assert_eq!(among(30..40), []);
        assert_eq!(among(40..50), vec![0..2]);
        assert_eq!(among(50..60), []);
    }
}
