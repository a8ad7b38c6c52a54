//! The same piece of work, again and again.

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use crate::cpus::{CpuSet, set_this_thread};

/// How long a sample takes where nothing interrupts it.
const SAMPLE: Duration = Duration::from_millis(10);

/// Rounds of a step: some microseconds, so that reading the clock after it is little beside it.
const ROUNDS: u32 = 2000;

/// What comes on top of the usual time of a step before it counts as interrupted.
const LEAST_INTERRUPTION: Duration = Duration::from_micros(1);

/// What a CPU took for it.
#[derive(Debug)]
pub(super) struct Record {
    /// Seconds of each sample, in the order in which they were taken.
    pub(super) samples: Vec<f64>,
    /// How many steps took much longer than most.
    pub(super) interruptions: u32,
    /// How much longer, all together.
    pub(super) interrupted: Duration,
    /// And the longest of them.
    pub(super) longest: Duration,
}

/// Does the work on `cpu` alone for `duration`.
///
/// # Errors
///
/// When this thread can not be kept there.
pub(super) fn on(cpu: u32, duration: Duration) -> io::Result<Record> {
    set_this_thread(&CpuSet::from_iter([cpu]))?;
    let usual = usual_step();
    let steps = (SAMPLE.as_nanos() / usual.as_nanos().max(1)).max(1);
    let long = (usual * 2).max(usual + LEAST_INTERRUPTION);
    let mut record = Record {
        samples: Vec::new(),
        interruptions: 0,
        interrupted: Duration::ZERO,
        longest: Duration::ZERO,
    };
    let end = Instant::now() + duration;
    let mut before = Instant::now();
    while before < end {
        let start = before;
        for _ in 0..steps {
            step();
            let now = Instant::now();
            let took = now - before;
            if took > long {
                let lost = took.saturating_sub(usual);
                record.interruptions = record.interruptions.saturating_add(1);
                record.interrupted += lost;
                record.longest = record.longest.max(lost);
            }
            before = now;
        }
        record.samples.push((before - start).as_secs_f64());
    }
    Ok(record)
}

/// How long a step usually takes: the median of a good many, once the CPU has had time to reach its
/// frequency.
fn usual_step() -> Duration {
    let end = Instant::now() + 10 * SAMPLE;
    let mut times = Vec::new();
    let mut before = Instant::now();
    while before < end {
        step();
        let now = Instant::now();
        times.push(now - before);
        before = now;
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// Arithmetic in registers, each round of which needs the one before (xorshift, Marsaglia 2003).
#[inline(never)]
fn step() {
    let mut state = black_box(0x2545_f491_4f6c_dd1d_u64);
    for _ in 0..ROUNDS {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
    }
    black_box(state);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpus::permitted;

    #[test]
    fn samples_fill_the_time() {
        let cpu = permitted().unwrap().affinity.iter().last().unwrap();
        let duration = Duration::from_millis(300);
        let record = on(cpu, duration).unwrap();
        let seconds: f64 = record.samples.iter().sum();
        assert!(seconds >= 0.29, "{seconds}");
        assert!(record.longest <= record.interrupted);
        assert_eq!(record.interruptions == 0, record.interrupted.is_zero());
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        assert!(on(1023, Duration::from_secs(1)).is_err());
    }
}
