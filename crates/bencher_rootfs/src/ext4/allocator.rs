//! The blocks of the disk that nothing uses yet, as a list of runs.
//!
//! A bitmap of a large disk would be large; the list grows only with the number of files.

use std::ops::Range;

use super::Ext4Error;
use super::format::BLOCK_BYTES;

/// A run of blocks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Run {
    /// The first block.
    pub(super) start: u64,
    /// The number of blocks.
    pub(super) length: u64,
}

impl Run {
    pub(super) fn end(self) -> u64 {
        self.start + self.length
    }

    /// The blocks, ascending.
    pub(super) fn blocks(self) -> Range<u64> {
        self.start..self.end()
    }
}

/// The free blocks of a disk. What is taken comes from behind all contents as long as there is
/// something left, then from the gaps between them, and always in ascending order.
#[derive(Debug)]
pub(super) struct FreeSpace {
    /// Ascending; runs that were used up stay, with no length.
    runs: Vec<Run>,
    /// The first run behind all contents.
    behind: usize,
    /// How many runs, in the order in which they are taken, are known to be used up.
    exhausted: usize,
}

impl FreeSpace {
    /// What `contents`, runs in any order, leave of the ascending `available` ones.
    ///
    /// # Errors
    /// [`Ext4Error::Contents`], if contents overlap or are not inside of one of the others.
    pub(super) fn new(
        available: impl Iterator<Item = Range<u64>>,
        mut contents: Vec<Run>,
    ) -> Result<Self, Ext4Error> {
        contents.sort_unstable();
        let mut contents = contents.into_iter().peekable();
        let mut runs = Vec::new();
        let mut behind = 0;
        for range in available {
            let mut start = range.start;
            while let Some(used) = contents.next_if(|used| used.start < range.end) {
                if used.start < start || used.end() > range.end {
                    return Err(misplaced(used));
                }
                push_run(&mut runs, start, used.start);
                start = used.end();
                behind = runs.len();
            }
            push_run(&mut runs, start, range.end);
        }
        match contents.next() {
            Some(used) => Err(misplaced(used)),
            None => Ok(Self {
                runs,
                behind,
                exhausted: 0,
            }),
        }
    }

    /// Takes `count` times `length` contiguous blocks, and gives where each piece begins; or
    /// nothing, if there are not as many pieces.
    pub(super) fn take_pieces(&mut self, count: u32, length: u64) -> Option<Vec<u64>> {
        let mut pieces = Vec::with_capacity(count as usize);
        let mut missing = u64::from(count);
        for position in 0..self.runs.len() {
            let index = self.index(position);
            let run = &mut self.runs[index];
            let fitting = (run.length / length).min(missing);
            pieces.extend((0..fitting).map(|piece| run.start + piece * length));
            run.start += fitting * length;
            run.length -= fitting * length;
            missing -= fitting;
            if missing == 0 {
                return Some(pieces);
            }
        }
        None
    }

    /// Takes `count` blocks in as few runs as come, added to the empty `taken`; tells whether
    /// there were as many.
    #[must_use]
    pub(super) fn take(&mut self, count: u64, taken: &mut Vec<Run>) -> bool {
        taken.clear();
        let mut missing = count;
        while missing > 0 {
            if self.exhausted == self.runs.len() {
                return false;
            }
            let index = self.index(self.exhausted);
            let run = &mut self.runs[index];
            let length = run.length.min(missing);
            if length > 0 {
                taken.push(Run {
                    start: run.start,
                    length,
                });
            }
            run.start += length;
            run.length -= length;
            missing -= length;
            if run.length == 0 {
                self.exhausted += 1;
            }
        }
        true
    }

    /// The runs that are left, ascending.
    pub(super) fn into_runs(mut self) -> Vec<Run> {
        self.runs.retain(|run| run.length > 0);
        self.runs
    }

    /// The run that is the `position`-th to be taken from.
    fn index(&self, position: usize) -> usize {
        (self.behind + position) % self.runs.len()
    }
}

fn push_run(runs: &mut Vec<Run>, start: u64, end: u64) {
    if start < end {
        runs.push(Run {
            start,
            length: end - start,
        });
    }
}

fn misplaced(run: Run) -> Ext4Error {
    Ext4Error::Contents {
        position: run.start.saturating_mul(BLOCK_BYTES),
        length: run.length.saturating_mul(BLOCK_BYTES),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, length: u64) -> Run {
        Run { start, length }
    }

    /// Free: 2..10, 13..20, 25..29 and, behind the contents, 31..40, 50..60.
    fn space() -> FreeSpace {
        let contents = vec![run(29, 2), run(10, 3), run(20, 3), run(23, 2)];
        FreeSpace::new([2..40, 50..60].into_iter(), contents).unwrap()
    }

    #[test]
    fn takes_from_behind_the_contents_first() {
        let mut space = space();
        let mut taken = Vec::new();
        assert!(space.take(4, &mut taken));
        assert_eq!(taken, [run(31, 4)]);
        assert!(space.take(16, &mut taken));
        assert_eq!(taken, [run(35, 5), run(50, 10), run(2, 1)]);
        assert!(space.take(0, &mut taken));
        assert_eq!(taken, []);
        assert_eq!(space.into_runs(), [run(3, 7), run(13, 7), run(25, 4)]);
    }

    #[test]
    fn pieces_are_contiguous() {
        let mut space = space();
        assert_eq!(space.take_pieces(4, 4), Some(vec![31, 35, 50, 54]));
        assert_eq!(space.take_pieces(3, 5), None);
        assert_eq!(self::space().take_pieces(3, 8), Some(vec![31, 50, 2]));
    }

    #[test]
    fn says_when_nothing_is_left() {
        let mut space = space();
        let mut taken = Vec::new();
        assert!(space.take(38, &mut taken));
        assert!(!space.take(1, &mut taken));
        assert_eq!(space.into_runs(), []);
    }

    #[test]
    fn a_disk_full_of_contents_has_no_free_runs() {
        let mut space = FreeSpace::new(std::iter::once(2..4), vec![run(2, 2)]).unwrap();
        assert_eq!(space.take_pieces(1, 1), None);
        assert!(!space.take(1, &mut Vec::new()));
    }

    #[test]
    fn misplaced_contents_are_refused() {
        for contents in [
            vec![run(1, 2)],
            vec![run(39, 2)],
            vec![run(45, 1)],
            vec![run(60, 1)],
            vec![run(5, 3), run(7, 1)],
            vec![run(5, 3), run(5, 3)],
        ] {
            let result = FreeSpace::new([2..40, 50..60].into_iter(), contents.clone());
            assert!(
                matches!(result, Err(Ext4Error::Contents { .. })),
                "{contents:?}"
            );
        }
    }
}
