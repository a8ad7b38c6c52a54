//! Busy processors: what a quiet measure is not to notice.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busy_threads_end_with_the_work() {
        assert_eq!(beside(twice_the_cpus(), || 5), 5);
        let panicked = std::panic::catch_unwind(|| beside(1, || panic!("on purpose")));
        assert!(panicked.is_err(), "and with a work that panics");
    }
}
