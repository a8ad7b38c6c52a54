//! From the times of a piece of work to the changes that can be told from their spread.
//!
//! Consecutive samples make up work of other lengths: of a hundred in a row the total is the time of
//! a benchmark a hundred times as long. So slow changes of the host stay in, which a division by the
//! root of a hundred would lose.
//!
//! A change between two groups of `n` runs each, of work whose times have the coefficient of variation
//! `c`, is seen with 95 % confidence in 80 % of all cases if it is at least
//!
//! ```text
//! d(n) · c · √(2 / n)        d(10) = 2.963, d(30) = 2.849
//! ```
//!
//! where `d` is the noncentrality at which a two-sample t-test has that power, see Cohen, Statistical
//! Power Analysis for the Behavioral Sciences (1988), chapter 2. It is a bound: all times are of one
//! measurement, and so without what differs from one day to the next.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::CpuNoise;

/// How much the times of work of one length differ.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// The length of the work in milliseconds.
    pub work_ms: u32,
    /// How many times there are.
    pub samples: usize,
    /// Their coefficient of variation: the standard deviation in percent of the mean.
    pub percent: f64,
}

/// A change of a benchmark that can be told from the noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SmallestChange {
    /// How long the benchmark takes, in milliseconds.
    pub work_ms: u32,
    /// How often it is run before the change, and after it.
    pub runs: u32,
    /// The change, in percent of the time.
    pub percent: f64,
}

/// Lengths of work, in samples of 10 ms.
const LENGTHS: [usize; 3] = [1, 10, 100];

/// Milliseconds of a sample.
const SAMPLE_MS: u32 = 10;

/// Times that a spread takes.
const FEWEST: usize = 10;

/// Runs of a side of a comparison, with the distance of the means, in standard errors, that a t-test
/// of two such groups sees in 80 % of all cases with 95 % confidence: the noncentrality of Student's
/// distribution with 18 and with 58 degrees of freedom.
const RUNS: [(u32, f64); 2] = [(10, 2.963), (30, 2.849)];

/// The spread of work of each length that there are enough times of.
pub(super) fn spreads(samples: &[f64]) -> Vec<Spread> {
    let of = |length: usize| {
        let chunks = samples.chunks_exact(length);
        let times: Vec<f64> = chunks.map(|chunk| chunk.iter().sum()).collect();
        (times.len() >= FEWEST).then(|| Spread {
            work_ms: SAMPLE_MS * u32::try_from(length).unwrap_or(u32::MAX),
            samples: times.len(),
            percent: variation(&times) * 100.0,
        })
    };
    LENGTHS.into_iter().filter_map(of).collect()
}

/// What can be told from the noise of the worst of `cpus`.
pub(super) fn smallest_changes(cpus: &[CpuNoise]) -> Vec<SmallestChange> {
    let spreads = cpus.iter().flat_map(|cpu| &cpu.spreads);
    let mut changes = Vec::new();
    for length in LENGTHS {
        let work_ms = SAMPLE_MS * u32::try_from(length).unwrap_or(u32::MAX);
        let of_length = spreads.clone().filter(|spread| spread.work_ms == work_ms);
        let Some(worst) = of_length.map(|spread| spread.percent).reduce(f64::max) else {
            continue;
        };
        changes.extend(RUNS.map(|(runs, distance)| SmallestChange {
            work_ms,
            runs,
            percent: distance * worst * (2.0 / f64::from(runs)).sqrt(),
        }));
    }
    changes
}

/// The coefficient of variation.
fn variation(times: &[f64]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
    let count = times.len() as f64;
    let mean = times.iter().sum::<f64>() / count;
    let squares: f64 = times.iter().map(|time| (time - mean).powi(2)).sum();
    (squares / (count - 1.0)).sqrt() / mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_work_is_made_of_shorter() {
        // Two times in turn: of ten in a row the sum is always the same.
        let samples: Vec<f64> = (0..200)
            .map(|index| if index % 2 == 0 { 0.009 } else { 0.011 })
            .collect();
        let spreads = spreads(&samples);
        let [short, long] = spreads[..] else {
            panic!("of a second there are two only: {spreads:?}");
        };
        assert_eq!((short.work_ms, short.samples), (10, 200));
        assert!((short.percent - 10.025).abs() < 0.001, "{short:?}");
        assert_eq!((long.work_ms, long.samples), (100, 20));
        assert!(long.percent < 1e-9, "{long:?}");
    }

    #[test]
    fn the_worst_cpu_counts() {
        let cpu = |percent| CpuNoise {
            cpu: 0,
            samples: 100,
            median_ms: 10.0,
            least_ms: 10.0,
            greatest_ms: 10.0,
            spreads: vec![Spread {
                work_ms: 10,
                samples: 100,
                percent,
            }],
            interruptions_per_second: 0.0,
            interrupted_percent: 0.0,
            longest_interruption_us: 0.0,
        };
        let changes = smallest_changes(&[cpu(1.0), cpu(2.0)]);
        let [ten, thirty] = changes[..] else {
            panic!("{changes:?}");
        };
        assert_eq!((ten.work_ms, ten.runs, thirty.runs), (10, 10, 30));
        assert!((ten.percent - 2.0 * 1.3251).abs() < 0.001, "{ten:?}");
        assert!((thirty.percent - 2.0 * 0.7356).abs() < 0.001, "{thirty:?}");
        assert!(smallest_changes(&[]).is_empty());
    }
}
