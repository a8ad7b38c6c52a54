//! Which blocks of a disk are spoken for before anything is known of its contents.
//!
//! Only the superblock with the table of group descriptors has its place fixed by the format: at
//! the start of the disk, and as backups at the start of group 1 and of the groups whose number is
//! a power of 3, 5 or 7 (`sparse_super`). With `flex_bg` everything else may lie anywhere.
//!
//! ```text
//! group 0                group 1                group 2   group 3
//! ┌────┬─────────────┬───┬────┬─────────────┬───┬─────────┬────┬─────────────┬───┬
//! │ SB │ descriptors │ … │ SB │ descriptors │ … │    …    │ SB │ descriptors │ … │
//! └────┴─────────────┴───┴────┴─────────────┴───┴─────────┴────┴─────────────┴───┴
//! ```
//!
//! Source: the kernel's `Documentation/filesystems/ext4/blockgroup.rst` and `super.rst`.

use std::ops::Range;

use super::Ext4Error;
use super::format::{
    BLOCK_BYTES, BLOCKS_PER_GROUP, DESCRIPTORS_PER_BLOCK, FIRST_INODE, INODES_PER_BLOCK,
    MAX_INODES_PER_GROUP, low32,
};

/// The smallest disk, in bytes: 1 MiB.
pub const MIN_DISK_SIZE: u64 = 1 << 20;

/// The largest disk, in bytes: 64 TiB, where the group descriptors take a quarter of each group
/// that has a copy of them.
///
/// Without the `meta_bg` feature the format itself ends at 256 TiB, where they would fill it.
pub const MAX_DISK_SIZE: u64 = 64 << 40;

/// A last group with less room than this beside its fixed blocks is left out, as it would
/// hardly hold the bitmaps and the inodes that it costs.
const SMALLEST_LAST_GROUP: u64 = 64;

/// The disk has an inode for each so many bytes, like those of `mke2fs`.
const BYTES_PER_INODE: u64 = 16_384;

/// Inodes that are free beyond what the tree needs, if that is more than a quarter of it; fewer on
/// the smallest disks, which have not as many blocks.
const SPARE_INODES: u64 = 1024;

const MIB: u64 = 1 << 20;

/// The shape of a filesystem on a disk of a given size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Layout {
    size: u64,
    blocks: u64,
    groups: u32,
    descriptor_blocks: u64,
}

impl Layout {
    /// The shape of a filesystem on a disk of `size` bytes, of which a remainder that is no whole
    /// block, or too small for a group of blocks, stays unused.
    ///
    /// # Errors
    /// [`Ext4Error::DiskTooSmall`] and [`Ext4Error::DiskTooLarge`], for sizes that are not between
    /// [`MIN_DISK_SIZE`] and [`MAX_DISK_SIZE`].
    pub fn new(size: u64) -> Result<Self, Ext4Error> {
        if size < MIN_DISK_SIZE {
            return Err(Ext4Error::DiskTooSmall {
                size,
                needed: MIN_DISK_SIZE,
            });
        }
        if size > MAX_DISK_SIZE {
            return Err(Ext4Error::DiskTooLarge {
                size,
                limit: MAX_DISK_SIZE,
            });
        }
        let layout = Self::of_blocks(size, size / BLOCK_BYTES);
        let last = layout.groups - 1;
        let fixed = layout.fixed_blocks(last);
        if last > 0 && layout.group_blocks(last) < fixed + SMALLEST_LAST_GROUP {
            return Ok(Self::of_blocks(size, group_start(last)));
        }
        Ok(layout)
    }

    fn of_blocks(size: u64, blocks: u64) -> Self {
        let groups = blocks.div_ceil(BLOCKS_PER_GROUP);
        Self {
            size,
            blocks,
            // At most 2¹⁹, by the largest size.
            groups: low32(groups),
            descriptor_blocks: groups.div_ceil(DESCRIPTORS_PER_BLOCK),
        }
    }

    /// The size of the disk that was asked for, in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.size
    }

    /// The stretches of the disk that are free for contents, in bytes: ascending, apart from each
    /// other, and of whole blocks.
    ///
    /// The structures that [`write`](super::write()) makes take what the contents leave of them.
    pub fn data_ranges(&self) -> Vec<Range<u64>> {
        self.free_runs()
            .map(|run| run.start * BLOCK_BYTES..run.end * BLOCK_BYTES)
            .collect()
    }

    /// The size of a disk, in bytes, that has room for so many bytes of contents (each file rounded
    /// up to whole blocks of 4096 bytes) in so many entries: a whole number of MiB, and not much
    /// larger than necessary. Beyond [`MAX_DISK_SIZE`] it tells at least that it is.
    pub fn size_for(content_bytes: u64, entries: u64) -> u64 {
        let blocks = content_bytes.div_ceil(BLOCK_BYTES);
        // A group has at most as many inodes as blocks, so an entry costs a block's worth of disk.
        let least = content_bytes.max(entries.saturating_mul(BLOCK_BYTES));
        if least > MAX_DISK_SIZE || entries > u64::from(u32::MAX) {
            return least.max(MAX_DISK_SIZE + 1);
        }
        let mut size = (least + MIB).next_multiple_of(MIB);
        while let Ok(layout) = Self::new(size) {
            let missing = match layout.capacity(entries) {
                Some(capacity) if capacity >= blocks => return size,
                Some(capacity) => (blocks - capacity) * BLOCK_BYTES,
                None => MIB,
            };
            size += missing.next_multiple_of(MIB);
        }
        size
    }

    /// The number of blocks for contents and directories beside the structures that describe a
    /// tree of so many inodes; nothing if there can not be as many.
    pub(super) fn capacity(&self, entries: u64) -> Option<u64> {
        let inodes_per_group = self.inodes_per_group(entries)?;
        let per_group = 2 + u64::from(inodes_per_group / INODES_PER_BLOCK);
        let free: u64 = self.free_runs().map(|run| run.end - run.start).sum();
        free.checked_sub(per_group * u64::from(self.groups))
    }

    /// The number of inodes of each group, for a tree of so many inodes: a whole number of blocks
    /// of them. Nothing if the disk can not have as many.
    pub(super) fn inodes_per_group(&self, entries: u64) -> Option<u32> {
        let groups = u64::from(self.groups);
        let used = entries.checked_add(u64::from(FIRST_INODE))?;
        let spare = (used / 4).max(SPARE_INODES.min(self.blocks));
        let by_size = self.blocks * BLOCK_BYTES / BYTES_PER_INODE;
        let wanted = by_size.max(used + spare).div_ceil(groups);
        let step = u64::from(INODES_PER_BLOCK);
        let most = u64::from(MAX_INODES_PER_GROUP).min(u64::from(u32::MAX) / groups / step * step);
        let each = wanted.next_multiple_of(step).min(most);
        (each * groups >= used).then_some(low32(each))
    }

    /// The number of blocks that the structures of the filesystem take.
    pub(super) fn overhead(&self, inodes_per_group: u32) -> u64 {
        let per_group = 2 + u64::from(inodes_per_group / INODES_PER_BLOCK);
        let fixed: u64 = (0..self.groups).map(|group| self.fixed_blocks(group)).sum();
        fixed + per_group * u64::from(self.groups)
    }

    /// The number of blocks of the filesystem.
    pub(super) fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The number of groups.
    pub(super) fn groups(&self) -> u32 {
        self.groups
    }

    /// The number of blocks of a group: fewer in the last one.
    pub(super) fn group_blocks(&self, group: u32) -> u64 {
        (self.blocks - group_start(group)).min(BLOCKS_PER_GROUP)
    }

    /// The number of blocks at the start of a group that hold a superblock and group descriptors.
    pub(super) fn fixed_blocks(&self, group: u32) -> u64 {
        if has_superblock(group) {
            1 + self.descriptor_blocks
        } else {
            0
        }
    }

    /// The groups that begin with a copy of the superblock, ascending.
    pub(super) fn superblock_groups(&self) -> Vec<u32> {
        let powers = |base: u32| {
            std::iter::successors(Some(base), move |power| power.checked_mul(base))
                .take_while(|&group| group < self.groups)
        };
        let mut groups: Vec<u32> = [0, 1]
            .into_iter()
            .filter(|&group| group < self.groups)
            .chain(powers(3))
            .chain(powers(5))
            .chain(powers(7))
            .collect();
        groups.sort_unstable();
        groups
    }

    /// The runs of blocks that are not fixed, ascending.
    pub(super) fn free_runs(&self) -> impl Iterator<Item = Range<u64>> {
        let groups = self.superblock_groups();
        let next = groups.clone().into_iter().skip(1);
        let ends = next.map(group_start).chain([self.blocks]);
        groups
            .into_iter()
            .zip(ends)
            .map(|(group, end)| group_start(group) + self.fixed_blocks(group)..end)
            .collect::<Vec<_>>()
            .into_iter()
    }
}

/// The first block of a group.
pub(super) fn group_start(group: u32) -> u64 {
    u64::from(group) * BLOCKS_PER_GROUP
}

/// Whether a group begins with a copy of the superblock (`sparse_super`).
fn has_superblock(group: u32) -> bool {
    let is_power_of = |base: u32| {
        let mut rest = group;
        while rest.is_multiple_of(base) {
            rest /= base;
        }
        rest == 1
    };
    group <= 1 || [3, 5, 7].into_iter().any(is_power_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_where_sparse_super_says() {
        let layout = Layout::new(1 << 40).unwrap();
        let groups = layout.superblock_groups();
        let expected = [
            0, 1, 3, 5, 7, 9, 25, 27, 49, 81, 125, 243, 343, 625, 729, 2187, 2401, 3125, 6561,
        ];
        assert_eq!(groups, expected);
        for group in 0..layout.groups() {
            assert_eq!(has_superblock(group), groups.contains(&group), "{group}");
        }
    }

    #[test]
    fn sizes_have_limits() {
        assert!(Layout::new(MIN_DISK_SIZE).is_ok());
        assert!(Layout::new(MAX_DISK_SIZE).is_ok());
        assert!(matches!(
            Layout::new(MIN_DISK_SIZE - 1),
            Err(Ext4Error::DiskTooSmall { needed, .. }) if needed == MIN_DISK_SIZE
        ));
        assert!(matches!(
            Layout::new(MAX_DISK_SIZE + 1),
            Err(Ext4Error::DiskTooLarge { limit, .. }) if limit == MAX_DISK_SIZE
        ));
    }

    #[test]
    fn a_tiny_last_group_is_left_out() {
        let group = BLOCKS_PER_GROUP * BLOCK_BYTES;
        for (size, blocks) in [
            (group, BLOCKS_PER_GROUP),
            (group + 65 * BLOCK_BYTES, BLOCKS_PER_GROUP),
            (group + 66 * BLOCK_BYTES, BLOCKS_PER_GROUP + 66),
            (2 * group + 63 * BLOCK_BYTES, 2 * BLOCKS_PER_GROUP),
            (2 * group + 64 * BLOCK_BYTES + 1, 2 * BLOCKS_PER_GROUP + 64),
        ] {
            assert_eq!(Layout::new(size).unwrap().blocks(), blocks, "{size}");
        }
    }

    #[test]
    fn data_ranges_spare_the_superblocks() {
        let layout = Layout::new(5 << 27).unwrap();
        let group = 1 << 27;
        let fixed = 2 * BLOCK_BYTES;
        assert_eq!(
            layout.data_ranges(),
            [
                fixed..group,
                group + fixed..3 * group,
                3 * group + fixed..5 * group
            ]
        );
    }

    #[test]
    fn inodes_follow_the_larger_of_disk_and_tree() {
        let layout = Layout::new(1 << 30).unwrap();
        assert_eq!(layout.inodes_per_group(1000), Some(8192));
        let crowded = layout.inodes_per_group(100_000).unwrap();
        assert!(crowded * 8 >= 125_000 && crowded.is_multiple_of(16));
        // Eight groups of 32,768 are all there can be.
        assert_eq!(layout.inodes_per_group(262_144 - 11), Some(32_768));
        assert_eq!(layout.inodes_per_group(262_144 - 10), None);
        let huge = Layout::new(MAX_DISK_SIZE).unwrap();
        let each = huge.inodes_per_group(0).unwrap();
        assert!(each.checked_mul(huge.groups()).is_some());
    }

    proptest::proptest! {
        #[test]
        fn size_for_is_enough_and_not_much_too_much(
            content in 0..1_u64 << 42,
            entries in 0..4_000_000_u64,
        ) {
            let size = Layout::size_for(content, entries);
            let fits = |size| {
                Layout::new(size).unwrap().capacity(entries)
                    .is_some_and(|blocks| blocks * BLOCK_BYTES >= content)
            };
            proptest::prop_assert!(fits(size));
            // What is not needed is at most what one group more costs and the last step's.
            let generous = size / 50 + 64 * MIB;
            if size > generous + MIN_DISK_SIZE {
                proptest::prop_assert!(!fits(size - generous));
            }
        }
    }

    #[test]
    fn size_for_the_impossible_is_beyond_the_limit() {
        assert!(Layout::size_for(u64::MAX - (1 << 30), 10) > MAX_DISK_SIZE);
        assert!(Layout::size_for(0, u64::MAX) > MAX_DISK_SIZE);
    }
}
