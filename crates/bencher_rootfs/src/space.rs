//! Which parts of the backing file the contents of which layer go to.
//!
//! Layers are read at the same time, and where their contents end up must not depend on which
//! thread is faster. So each layer has a region of its own, as large as it is expected to be:
//!
//! ```text
//! ┌──────────────────┬─────────────┬────────────────────────┬──────────────────────────┐
//! │ region of layer 0│ of layer 1  │ of layer 2             │ rest                     │
//! └──────────────────┴─────────────┴────────────────────────┴──────────────────────────┘
//! ```
//!
//! A layer that needs more waits until all layers below it are finished, and goes on in what is
//! then left of their regions and of the rest, which is the same in every build. The lowest layer
//! that is not finished never waits, so as long as it is being read there is no deadlock.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::tree::BLOCK_SIZE;

/// Of the space that nobody is expected to need, the share that is added to the regions.
const SPREAD_NUMERATOR: u64 = 3;
const SPREAD_DENOMINATOR: u64 = 4;

/// Ascending byte ranges, of whole blocks and apart from each other.
pub(crate) type Ranges = Vec<Range<u64>>;

/// The space of a backing file, shared by all layers.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    /// What each layer begins with; taken when it does.
    regions: Vec<Ranges>,
    /// What belongs to no region.
    rest: Ranges,
    /// What finished layers did not use.
    finished: Vec<Option<Ranges>>,
    stopped: bool,
}

/// Why there is no more space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NoSpace {
    /// It is used up.
    Full,
    /// Another layer failed.
    Stopped,
}

impl Pool {
    /// Divides `ranges` by the sizes, in bytes, that the layers are expected to have.
    pub(crate) fn new(ranges: Ranges, expected: &[u64]) -> Self {
        let mut rest = VecDeque::from(ranges);
        let regions = region_sizes(length(rest.make_contiguous()), expected)
            .into_iter()
            .map(|size| take(&mut rest, size))
            .collect();
        Self {
            state: Mutex::new(State {
                regions,
                rest: rest.into(),
                finished: vec![None; expected.len()],
                stopped: false,
            }),
            changed: Condvar::new(),
        }
    }

    /// The region of a layer.
    pub(crate) fn region(&self, layer: usize) -> Ranges {
        std::mem::take(&mut self.lock().regions[layer])
    }

    /// More space for a layer whose region is used up. Waits for all layers below it.
    pub(crate) fn more(&self, layer: usize) -> Result<Ranges, NoSpace> {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| {
                !state.stopped && state.finished[..layer].iter().any(Option::is_none)
            })
            .unwrap_or_else(PoisonError::into_inner);
        if state.stopped {
            return Err(NoSpace::Stopped);
        }
        let mut more = std::mem::take(&mut state.rest);
        for leftover in state.finished[..layer].iter_mut().flatten() {
            more.append(leftover);
        }
        if more.is_empty() {
            return Err(NoSpace::Full);
        }
        more.sort_unstable_by_key(|range| range.start);
        Ok(more)
    }

    /// A layer is finished, and did not use this.
    pub(crate) fn finish(&self, layer: usize, unused: Ranges) {
        self.lock().finished[layer] = Some(unused);
        self.changed.notify_all();
    }

    /// Lets everyone who waits give up.
    pub(crate) fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is a single assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The sizes of the regions: what is expected, plus a share of what would remain, as small files
/// take more space in blocks than in an archive.
fn region_sizes(capacity: u64, expected: &[u64]) -> Vec<u64> {
    let total: u128 = expected.iter().map(|&size| u128::from(size)).sum();
    let spare = u128::from(capacity).saturating_sub(total) * u128::from(SPREAD_NUMERATOR)
        / u128::from(SPREAD_DENOMINATOR);
    expected
        .iter()
        .map(|&size| {
            let extra = (spare * u128::from(size)).checked_div(total).unwrap_or(0);
            // Four times as much always suffices: a header alone is an eighth of a block.
            let extra = u64::try_from(extra).unwrap_or(u64::MAX);
            let size = size.saturating_add(extra.min(size.saturating_mul(3)));
            size.min(capacity).next_multiple_of(BLOCK_SIZE)
        })
        .collect()
}

/// Takes so many bytes, or as many as there are, from the front.
fn take(ranges: &mut VecDeque<Range<u64>>, mut bytes: u64) -> Ranges {
    let mut taken = Vec::new();
    while bytes > 0
        && let Some(first) = ranges.front_mut()
    {
        let end = first.start.saturating_add(bytes).min(first.end);
        bytes -= end - first.start;
        taken.push(first.start..end);
        first.start = end;
        if first.is_empty() {
            ranges.pop_front();
        }
    }
    taken
}

/// Bytes of all ranges together.
pub(crate) fn length(ranges: &[Range<u64>]) -> u64 {
    ranges.iter().map(|range| range.end - range.start).sum()
}

/// What of `ranges` is not in `holes`; both ascend.
pub(crate) fn subtract(
    ranges: impl IntoIterator<Item = Range<u64>>,
    holes: impl IntoIterator<Item = Range<u64>>,
) -> impl Iterator<Item = Range<u64>> {
    let mut ranges = ranges.into_iter();
    let mut holes = holes.into_iter().peekable();
    let mut current = 0..0;
    std::iter::from_fn(move || {
        loop {
            if current.is_empty() {
                current = ranges.next()?;
            }
            match holes.peek() {
                Some(hole) if hole.end <= current.start => _ = holes.next(),
                Some(hole) if hole.start <= current.start => {
                    current.start = hole.end.min(current.end);
                }
                Some(hole) if hole.start < current.end => {
                    let piece = current.start..hole.start;
                    current.start = hole.start;
                    return Some(piece);
                }
                _ => return Some(std::mem::replace(&mut current, 0..0)),
            }
        }
    })
}
