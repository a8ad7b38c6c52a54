//! The names in a folder, sorted, in bounded memory.

use std::collections::BinaryHeap;

/// The most bytes that the names of all folders that are being walked take together.
pub(super) const NAMES_LIMIT: usize = 16 * 1024 * 1024;

/// What a name costs beside its own bytes.
const OVERHEAD: usize = size_of::<Vec<u8>>() + 16;

/// Keeps the names that come first in byte order, as many as fit.
#[derive(Debug)]
pub(super) struct Names {
    kept: BinaryHeap<Vec<u8>>,
    bytes: usize,
    limit: usize,
    left_out: u64,
    /// The first name that did not fit: from it on none is kept, so that which ones are does not
    /// depend on the order in which the folder lists them.
    end: Option<Vec<u8>>,
}

impl Names {
    /// For at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            kept: BinaryHeap::new(),
            bytes: 0,
            limit,
            left_out: 0,
            end: None,
        }
    }

    pub(super) fn add(&mut self, name: &[u8]) {
        if self.end.as_deref().is_some_and(|end| name >= end) {
            self.left_out += 1;
            return;
        }
        self.bytes += cost(name);
        self.kept.push(name.to_vec());
        while self.bytes > self.limit {
            let Some(last) = self.kept.pop() else {
                break;
            };
            self.bytes -= cost(&last);
            self.left_out += 1;
            self.end = Some(last);
        }
    }

    /// The names in order, what they cost, and how many did not fit.
    pub(super) fn finish(self) -> (std::vec::IntoIter<Vec<u8>>, usize, u64) {
        (
            self.kept.into_sorted_vec().into_iter(),
            self.bytes,
            self.left_out,
        )
    }
}

fn cost(name: &[u8]) -> usize {
    name.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_first_names_are_kept_within_the_limit(
            names in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 1..9), 0..40),
            seed in any::<u64>(),
            limit in 0_usize..3000,
        ) {
            let sorted: Vec<_> = names.into_iter().collect();
            let mut shuffled = sorted.clone();
            shuffled.sort_by_key(|name| name.iter().fold(seed, |hash, &byte| {
                hash.rotate_left(7).wrapping_mul(31) ^ u64::from(byte)
            }));
            let mut kept = Names::new(limit);
            for name in &shuffled {
                kept.add(name);
                prop_assert!(kept.bytes <= limit);
            }
            let (kept, bytes, left_out) = kept.finish();
            let kept: Vec<_> = kept.collect();
            prop_assert_eq!(bytes, kept.iter().map(|name| cost(name)).sum::<usize>());
            prop_assert_eq!(kept.len() + usize::try_from(left_out).unwrap(), sorted.len());
            prop_assert_eq!(&kept[..], &sorted[..kept.len()]);
        }
    }
}
