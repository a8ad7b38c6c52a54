use std::sync::mpsc;
use std::thread;

use proptest::prelude::*;

use super::*;

const B: u64 = BLOCK_SIZE;

fn one(range: Range<u64>) -> Ranges {
    vec![range]
}

#[test]
fn regions_follow_each_other_and_leave_a_rest() {
    let pool = Pool::new(vec![0..10 * B, 20 * B..1000 * B], &[2 * B, 15 * B, 0]);
    let regions: Vec<_> = (0..3).map(|layer| pool.region(layer)).collect();
    assert_eq!(regions[0], one(0..8 * B));
    assert_eq!(regions[1], [8 * B..10 * B, 20 * B..78 * B]);
    assert!(regions[2].is_empty());
    assert_eq!(pool.more(0), Ok(one(78 * B..1000 * B)));
}

#[test]
fn scarce_space_goes_to_the_lower_layers_first() {
    let pool = Pool::new(one(0..10 * B), &[8 * B, u64::MAX, 5 * B]);
    assert_eq!(pool.region(0), one(0..8 * B));
    assert_eq!(pool.region(1), one(8 * B..10 * B));
    assert!(pool.region(2).is_empty());
    assert_eq!(pool.more(0), Err(NoSpace::Full));
}

#[test]
fn more_space_waits_for_the_layers_below_and_only_those() {
    let pool = Pool::new(one(0..100 * B), &[50 * B, 30 * B, 20 * B, 0]);
    for layer in 0..4 {
        pool.region(layer);
    }
    // What a layer above left must not be seen, as it may come sooner or later.
    pool.finish(3, one(99 * B..100 * B));
    pool.finish(0, one(40 * B..50 * B));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| sender.send(pool.more(2)).unwrap());
        pool.finish(1, vec![70 * B..80 * B, 50 * B..55 * B]);
        let more = receiver.recv().unwrap().unwrap();
        assert_eq!(more, [40 * B..50 * B, 50 * B..55 * B, 70 * B..80 * B]);
    });
    assert_eq!(pool.more(2), Err(NoSpace::Full));
}

#[test]
fn those_who_wait_are_woken_when_another_fails() {
    let pool = Pool::new(one(0..B), &[0, 0]);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.more(1));
        pool.stop();
        assert_eq!(waiting.join().unwrap(), Err(NoSpace::Stopped));
    });
}

fn ranges() -> impl Strategy<Value = Ranges> {
    proptest::collection::vec((0..5u64, 1..5u64), 0..8).prop_map(|gaps| {
        let mut at = 0;
        gaps.into_iter()
            .map(|(gap, length)| {
                let start = at + gap;
                at = start + length + 1;
                start..start + length
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn subtraction_is_that_of_sets(a in ranges(), b in ranges()) {
        let set = |ranges: &[Range<u64>]| -> Vec<u64> {
            ranges.iter().cloned().flatten().collect()
        };
        let pieces: Vec<_> = subtract(a.clone(), b.clone()).collect();
        prop_assert!(pieces.iter().all(|piece| !piece.is_empty()));
        let holes = set(&b);
        let expected: Vec<_> = set(&a).into_iter().filter(|at| !holes.contains(at)).collect();
        prop_assert_eq!(set(&pieces), expected);
    }

    #[test]
    fn regions_never_overlap_and_nothing_is_lost(
        ranges in ranges(),
        expected in proptest::collection::vec(0..20u64, 0..6),
    ) {
        let ranges: Ranges = ranges
            .into_iter()
            .map(|range| range.start * B..range.end * B)
            .collect();
        let expected: Vec<_> = expected.into_iter().map(|size| size * B / 3).collect();
        let pool = Pool::new(ranges.clone(), &expected);
        let mut all: Ranges = (0..expected.len()).flat_map(|layer| pool.region(layer)).collect();
        all.extend(pool.lock().rest.clone());
        prop_assert_eq!(length(&all), length(&ranges));
        prop_assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start));
        prop_assert!(all.iter().all(|range| range.start % B == 0 && range.end % B == 0));
    }
}
