//! In which order two sides are measured.
//!
//! A host drifts: it heats up, its caches fill, its neighbours come and go. Measured one after the
//! other, two equal sides differ by the drift. Measured in turns they share it, and in the order
//! `ABBA` a steady drift cancels out (the crossover designs of Williams, "Experimental designs
//! balanced for the estimation of residual effects of treatments", 1949).
//!
//! Pairs come in octets, `AB BA BA AB` or its mirror image, whichever the seed says: within an octet a
//! drift cancels out, its curvature included, and neighbouring pairs are in the same order as often as in
//! the opposite one, so that what lingers from one measurement to the next pushes them apart as often
//! as together.

use crate::random::Random;

/// A side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What is compared with: A.
    Baseline,
    /// What is compared: B.
    Candidate,
}

/// Which side of a pair is measured first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// A, then B.
    BaselineFirst,
    /// B, then A.
    CandidateFirst,
}

impl Order {
    /// Both sides in this order.
    pub fn sides(self) -> [Side; 2] {
        match self {
            Self::BaselineFirst => [Side::Baseline, Side::Candidate],
            Self::CandidateFirst => [Side::Candidate, Side::Baseline],
        }
    }

    fn reversed(self) -> Self {
        match self {
            Self::BaselineFirst => Self::CandidateFirst,
            Self::CandidateFirst => Self::BaselineFirst,
        }
    }
}

/// An endless sequence of pairs, the same for the same seed: take as many as there are to be, or one
/// after the other until there are enough.
#[derive(Debug, Clone)]
pub struct Plan {
    random: Random,
    first: Order,
    place: usize,
}

/// Whether a pair of an octet (four pairs, eight measurements) is in the order of its first one.
const OCTET: [bool; 4] = [true, false, false, true];

impl Plan {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            first: Order::BaselineFirst,
            place: 0,
        }
    }
}

impl Iterator for Plan {
    type Item = Order;

    fn next(&mut self) -> Option<Order> {
        if self.place == 0 {
            self.first = if self.random.below(2) == 0 {
                Order::BaselineFirst
            } else {
                Order::CandidateFirst
            };
        }
        let same = OCTET[self.place];
        self.place = (self.place + 1) % OCTET.len();
        Some(if same {
            self.first
        } else {
            self.first.reversed()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters(seed: u64, pairs: usize) -> String {
        Plan::new(seed)
            .take(pairs)
            .flat_map(Order::sides)
            .map(|side| match side {
                Side::Baseline => 'A',
                Side::Candidate => 'B',
            })
            .collect()
    }

    #[test]
    fn octets_come_in_both_directions() {
        let octets: Vec<String> = (0..20).map(|seed| letters(seed, 4)).collect();
        assert!(
            octets
                .iter()
                .all(|octet| octet == "ABBABAAB" || octet == "BAABABBA")
        );
        assert!(octets.contains(&"ABBABAAB".to_owned()));
        assert!(octets.contains(&"BAABABBA".to_owned()));
    }

    proptest! {
        #[test]
        fn both_orders_are_as_frequent(seed: u64, octets in 1_usize..20) {
            let orders: Vec<Order> = Plan::new(seed).take(4 * octets).collect();
            let first = orders.iter().filter(|&&order| order == Order::BaselineFirst).count();
            prop_assert_eq!(first, 2 * octets);
        }

        #[test]
        fn a_drift_and_its_curvature_are_the_same_for_both(seed: u64, octets in 1_usize..20) {
            let mut sums = [[0_i64; 2]; 2];
            for (time, letter) in (0_i64..).zip(letters(seed, 4 * octets).chars()) {
                let side = &mut sums[usize::from(letter == 'B')];
                *side = [side[0] + time, side[1] + time * time];
            }
            prop_assert_eq!(sums[0], sums[1]);
        }

        #[test]
        fn a_longer_plan_goes_on_where_a_shorter_one_ends(seed: u64, pairs in 0_usize..30) {
            let long = letters(seed, pairs + 5);
            prop_assert!(long.starts_with(&letters(seed, pairs)));
        }
    }
}
