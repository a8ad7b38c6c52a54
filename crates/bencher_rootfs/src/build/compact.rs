//! Placing exactly what remains of the layers, when space is scarce.
//!
//! On the first reading contents are only counted: layer `n` has the positions from `n` times the
//! *stride*. Once the layers are merged, what remains of these positions is moved together into
//! the space that there is, keeping its order, and the second reading writes it there.

use std::ops::Range;

use crate::content::{Placement, Run};
use crate::error::ReadError;
use crate::space::Ranges;
use crate::tree::{BLOCK_SIZE, Segment, Tree};

/// The positions that each of so many layers has on the first reading. The compact form of the
/// tree ends at 16 TiB.
pub(super) fn stride(layers: usize) -> u64 {
    (1 << 44) / layers.next_power_of_two() as u64
}

/// Counts contents.
#[derive(Debug)]
pub(super) struct Counting {
    run: Option<Run>,
}

impl Counting {
    pub(super) fn new(layer: usize, stride: u64) -> Self {
        Self {
            run: Some(Run {
                position: layer as u64 * stride,
                length: stride,
                is_stored: false,
            }),
        }
    }
}

impl Placement for Counting {
    fn next_run(&mut self, _done: u64) -> Result<Run, ReadError> {
        self.run.take().ok_or(ReadError::Full)
    }
}

/// A stretch of whole blocks that remains, and where it is moved to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Move {
    from: u64,
    to: u64,
    length: u64,
}

/// Contents go where the moves say, and nowhere else.
#[derive(Debug)]
pub(super) struct Moved<'a> {
    /// Those not passed yet; may be of later layers as well.
    ahead: &'a [Move],
    start: u64,
    end: u64,
}

impl<'a> Moved<'a> {
    pub(super) fn new(moves: &'a [Move], layer: usize, stride: u64) -> Self {
        let start = layer as u64 * stride;
        let passed = moves.partition_point(|step| step.from < start);
        Self {
            ahead: &moves[passed..],
            start,
            end: start + stride,
        }
    }
}

impl Placement for Moved<'_> {
    fn next_run(&mut self, done: u64) -> Result<Run, ReadError> {
        let position = self.start + done;
        while let Some((first, rest)) = self.ahead.split_first()
            && first.from + first.length <= position
        {
            self.ahead = rest;
        }
        let next = self.ahead.first().filter(|next| next.from < self.end);
        Ok(match next {
            Some(next) if next.from <= position => Run {
                position: next.to + (position - next.from),
                length: next.from + next.length - position,
                is_stored: true,
            },
            next => Run {
                position,
                length: next.map_or(u64::MAX - position, |next| next.from - position) / BLOCK_SIZE
                    * BLOCK_SIZE,
                is_stored: false,
            },
        })
    }
}

/// The space that the contents of all files take, in whole blocks.
pub(super) fn content_bytes(tree: &Tree) -> u64 {
    tree.ids()
        .flat_map(|id| tree.segments(id))
        .map(|segment| segment.length.next_multiple_of(BLOCK_SIZE))
        .sum()
}

/// Moves the contents of all files together into `ranges`, which they fit into.
pub(super) fn relocate(tree: &mut Tree, ranges: Ranges) -> Vec<Move> {
    let moves = plan(remaining(tree), ranges);
    tree.relocate(|segment, parts| {
        let first = moves.partition_point(|step| step.from + step.length <= segment.position);
        let mut done = 0;
        for step in &moves[first..] {
            if done == segment.length {
                break;
            }
            let into = segment.position + done - step.from;
            let length = (step.length - into).min(segment.length - done);
            parts.push(Segment {
                offset: segment.offset + done,
                position: step.to + into,
                length,
            });
            done += length;
        }
    });
    moves
}

/// Where the contents of all files are: ascending, neighbours joined.
fn remaining(tree: &Tree) -> Ranges {
    let mut all: Ranges = tree
        .ids()
        .flat_map(|id| tree.segments(id))
        .map(|segment| {
            let length = segment.length.next_multiple_of(BLOCK_SIZE);
            segment.position..segment.position + length
        })
        .collect();
    all.sort_unstable_by_key(|range| range.start);
    all.dedup_by(|next, last| {
        let joined = last.end == next.start;
        if joined {
            last.end = next.end;
        }
        joined
    });
    all
}

/// Fills `ranges` with `contents`, from the front.
fn plan(contents: Ranges, ranges: Ranges) -> Vec<Move> {
    let mut ranges = ranges.into_iter();
    let mut free: Range<u64> = 0..0;
    let mut moves = Vec::with_capacity(contents.len());
    for mut content in contents {
        while !content.is_empty() {
            if free.is_empty() {
                match ranges.next() {
                    Some(next) => free = next,
                    None => return moves,
                }
            }
            let length = (content.end - content.start).min(free.end - free.start);
            moves.push(Move {
                from: content.start,
                to: free.start,
                length,
            });
            content.start += length;
            free.start += length;
        }
    }
    moves
}

#[cfg(test)]
mod tests {
    use super::*;

    const B: u64 = BLOCK_SIZE;

    #[test]
    fn contents_fill_the_ranges_from_the_front() {
        let moves = plan(
            vec![10 * B..12 * B, 20 * B..25 * B, 90 * B..91 * B],
            vec![B..4 * B, 6 * B..7 * B, 8 * B..20 * B],
        );
        let expected = [(10, 1, 2), (20, 3, 1), (21, 6, 1), (22, 8, 3), (90, 11, 1)];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(from, to, length)| Move {
                from: from * B,
                to: to * B,
                length: length * B,
            })
            .collect();
        assert_eq!(moves, expected);

        // Layer 0 has the positions up to 50, layer 1 those from there.
        let mut placement = Moved::new(&moves, 0, 50 * B);
        let mut run = |done: u64| {
            let run = placement.next_run(done * B).unwrap();
            let length = (run.length / B).min(1000);
            (run.is_stored.then_some(run.position / B), length)
        };
        assert_eq!(run(0), (None, 10));
        assert_eq!(run(10), (Some(1), 2));
        assert_eq!(run(12), (None, 8));
        assert_eq!(run(20), (Some(3), 1));
        assert_eq!(run(21), (Some(6), 1));
        assert_eq!(run(23), (Some(9), 2));
        assert_eq!(run(25), (None, 1000));
        let mut placement = Moved::new(&moves, 1, 50 * B);
        assert_eq!(placement.next_run(0).unwrap().length, 40 * B);
        assert_eq!(placement.next_run(40 * B).unwrap().position, 11 * B);
        assert!(!placement.next_run(41 * B).unwrap().is_stored);
    }

    #[test]
    fn every_layer_has_positions_of_its_own() {
        for layers in [1, 2, 3, 127, 128] {
            let stride = stride(layers);
            assert!(stride >= 128 << 30);
            assert!(stride * layers as u64 <= 1 << 44);
            assert_eq!(stride % B, 0);
        }
    }
}
