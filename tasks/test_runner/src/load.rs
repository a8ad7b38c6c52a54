//! Busy processors: what a quiet measure is not to notice.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use bencher_statistics::Random;

/// Busy threads that load every CPU of this host twice over.
pub(crate) fn twice_the_cpus() -> usize {
    2 * thread::available_parallelism().map_or(1, usize::from)
}

/// Does `work` beside `loops` busy threads, which end with it, however it ends.
pub(crate) fn beside<T>(loops: usize, work: impl FnOnce() -> T) -> T {
    /// Set when dropped: by a panic too, for a scope waits for its threads.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let _over = Over(&over);
        for _ in 0..loops {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    spin_loop();
                }
            });
        }
        work()
    })
}

/// How long a thread of [`beside_bursts`] is busy at once, in milliseconds: from a daemon that has
/// something to look at to a compiler.
const BURST: (f64, f64) = (2.0, 500.0);

/// How long it then has nothing to do.
const PAUSE: (f64, f64) = (2.0, 1000.0);

/// What it goes through while it is busy, in bytes: what others had in the nearer caches goes.
const SWEPT: usize = 1 << 20;

/// Does `work` beside `threads` threads that are busy now and then: load that comes and goes, the
/// same each time for the same `seed`. They end with the work, however it ends.
pub(crate) fn beside_bursts<T>(threads: usize, seed: u64, work: impl FnOnce() -> T) -> T {
    let mut seeds = Random::new(seed);
    thread::scope(|scope| {
        // Dropped, also by a panic, they tell the threads that it is over.
        let mut ends = Vec::new();
        for _ in 0..threads {
            let (end, over) = channel();
            ends.push(end);
            let random = seeds.split();
            scope.spawn(move || come_and_go(random, &over));
        }
        let done = work();
        drop(ends);
        done
    })
}

/// Has nothing to do and is busy by turns until the other end of `over` is dropped.
fn come_and_go(random: Random, over: &Receiver<()>) {
    let mut memory = vec![0_u8; SWEPT];
    for (pause, burst) in turns(random) {
        if over.recv_timeout(pause) != Err(RecvTimeoutError::Timeout) {
            return;
        }
        let begun = Instant::now();
        while begun.elapsed() < burst {
            for byte in &mut memory {
                *byte = byte.wrapping_add(1);
            }
            black_box(&memory);
        }
    }
}

/// Pauses, each with the burst after it, without an end.
fn turns(mut random: Random) -> impl Iterator<Item = (Duration, Duration)> {
    let mut time = move |(low, high)| {
        let milliseconds = random.of_any_size(low, high);
        Duration::from_secs_f64(milliseconds / 1e3)
    };
    std::iter::repeat_with(move || (time(PAUSE), time(BURST)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_threads_end_with_the_work() {
        assert_eq!(beside(twice_the_cpus(), || 5), 5);
        let panicked = std::panic::catch_unwind(|| beside(1, || panic!("on purpose")));
        assert!(panicked.is_err(), "and with a work that panics");
    }

    #[test]
    fn so_do_those_that_come_and_go() {
        assert_eq!(beside_bursts(2, 1, || 5), 5);
        let panicked = std::panic::catch_unwind(|| beside_bursts(1, 1, || panic!("on purpose")));
        assert!(panicked.is_err(), "and with a work that panics");
    }

    #[test]
    fn the_same_seed_is_the_same_load() {
        let of = |seed| turns(Random::new(seed)).take(100).collect::<Vec<_>>();
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        let milliseconds = |(low, high): (f64, f64)| {
            Duration::from_secs_f64(low / 1e3)..=Duration::from_secs_f64(high / 1e3)
        };
        let longest = |one: Duration, other: (Duration, Duration)| one.max(other.1);
        for (pause, burst) in of(5) {
            assert!(milliseconds(PAUSE).contains(&pause), "{pause:?}");
            assert!(milliseconds(BURST).contains(&burst), "{burst:?}");
        }
        let longest = of(5).into_iter().fold(Duration::ZERO, longest);
        assert!(longest > Duration::from_millis(100), "{longest:?}");
    }
}
