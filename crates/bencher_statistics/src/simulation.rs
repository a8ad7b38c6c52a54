//! Noise as benchmarks have it, made up: to see what a method promises and what it keeps.

use crate::plan::{Order, Plan, Side};
use crate::random::Random;
use crate::samples::Samples;

/// A kind of noise. All are around 1 and positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Normal, 2 %.
    Normal,
    /// Log-normal, 20 %: a long tail to the right.
    LogNormal,
    /// Two modes, 10 % apart, the slower one three times in ten; 1 % around each.
    Bimodal,
    /// Normal, 2 %, on a host that becomes 10 % slower or faster from the first measurement to the
    /// last: nobody knows which.
    Drifting,
    /// The same, and always slower.
    Slowing,
    /// Normal, 2 %, on a host whose speed wanders: a random walk, 0.5 % from each invocation to the
    /// next.
    Wandering,
    /// A first-order autoregressive process with a correlation of 0.9 from each iteration to the next,
    /// across invocations; 2.3 % in all.
    Autocorrelated,
    /// Normal, 2 % from one invocation to another and 2 % inside of them: what memory layouts do.
    Layouts,
}

/// What was measured in turns.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    /// A.
    pub baseline: Samples,
    /// B.
    pub candidate: Samples,
    /// Which of a pair was first.
    pub orders: Vec<Order>,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Normal,
        Self::LogNormal,
        Self::Bimodal,
        Self::Drifting,
        Self::Slowing,
        Self::Wandering,
        Self::Autocorrelated,
        Self::Layouts,
    ];

    /// What it is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::LogNormal => "log-normal",
            Self::Bimodal => "bimodal",
            Self::Drifting => "drifting",
            Self::Slowing => "slowing",
            Self::Wandering => "wandering",
            Self::Autocorrelated => "autocorrelated",
            Self::Layouts => "layouts",
        }
    }

    /// A host with `slots` invocations of `iterations` each, one after the other.
    pub fn host(self, random: &mut Random, slots: usize, iterations: usize) -> Vec<Vec<f64>> {
        let mut lingering = random.normal() / libm::sqrt(1.0 - CORRELATION * CORRELATION);
        let mut wandered = 0.0;
        let drift = match self {
            Self::Drifting if random.unit() < 0.5 => -0.1,
            _ => 0.1,
        };
        (0..slots)
            .map(|slot| {
                #[expect(clippy::cast_precision_loss, reason = "they are few")]
                let time = slot as f64 / slots as f64;
                let layout = 0.02 * random.normal();
                wandered += 0.005 * random.normal();
                let mut value = || {
                    let noise = random.normal();
                    match self {
                        Self::Normal => 1.0 + 0.02 * noise,
                        Self::LogNormal => libm::exp(0.2 * noise),
                        Self::Bimodal => {
                            let mode = if random.unit() < 0.7 { 1.0 } else { 1.1 };
                            mode * (1.0 + 0.01 * noise)
                        }
                        Self::Drifting | Self::Slowing => {
                            (1.0 + 0.02 * noise) * (1.0 + drift * time)
                        }
                        Self::Wandering => (1.0 + 0.02 * noise) * libm::exp(wandered),
                        Self::Autocorrelated => {
                            lingering = CORRELATION * lingering + noise;
                            1.0 + 0.01 * lingering
                        }
                        Self::Layouts => (1.0 + layout) * (1.0 + 0.02 * noise),
                    }
                };
                // Positive, however unlikely that a normal value is twenty deviations off.
                (0..iterations).map(|_| value().max(0.01)).collect()
            })
            .collect()
    }

    /// Two sides in turns, `pairs` invocations each; the candidate takes `ratio` times as long.
    pub fn pair(self, random: &mut Random, pairs: usize, iterations: usize, ratio: f64) -> Pair {
        let orders: Vec<Order> = Plan::new(random.bits()).take(pairs).collect();
        let mut host = self.host(random, 2 * pairs, iterations).into_iter();
        let mut sides = [Vec::new(), Vec::new()];
        for side in orders.iter().flat_map(|order| order.sides()) {
            let values = host.next().unwrap_or_default();
            match side {
                Side::Baseline => sides[0].push(values),
                Side::Candidate => {
                    sides[1].push(values.into_iter().map(|value| ratio * value).collect());
                }
            }
        }
        let [baseline, candidate] = sides.map(of_finite);
        Pair {
            baseline,
            candidate,
            orders,
        }
    }

    /// Two sides one after the other; the candidate takes `ratio` times as long.
    pub fn sequence(self, random: &mut Random, runs: usize, ratio: f64) -> [Samples; 2] {
        let mut baseline = self.host(random, 2 * runs, 1);
        let mut candidate = baseline.split_off(runs);
        candidate
            .iter_mut()
            .flatten()
            .for_each(|value| *value *= ratio);
        [baseline, candidate].map(of_finite)
    }
}

/// From one iteration to the next.
const CORRELATION: f64 = 0.9;

/// # Panics
///
/// When nothing was asked for.
fn of_finite(invocations: Vec<Vec<f64>>) -> Samples {
    Samples::new(invocations).expect("at least one invocation with one iteration is asked for")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_candidate_takes_as_much_longer_as_asked_for() {
        for shape in Shape::ALL {
            let of = |ratio| shape.pair(&mut Random::new(4), 6, 3, ratio);
            let (equal, slower) = (of(1.0), of(1.5));
            assert_eq!(equal.baseline, slower.baseline, "{shape:?}");
            for (one, other) in equal
                .candidate
                .values()
                .iter()
                .zip(slower.candidate.values())
            {
                assert!((1.5 * one - other).abs() < 1e-12, "{shape:?}");
            }
        }
    }

    #[test]
    fn each_shape_is_what_it_is_called() {
        let values = |shape: Shape| shape.host(&mut Random::new(2), 2000, 1).concat();
        let mean =
            |values: &[f64]| values.iter().sum::<f64>() / crate::numeric::count(values.len());
        let slowing = values(Shape::Slowing);
        assert!(mean(&slowing[1500..]) > 1.06 * mean(&slowing[..500]));
        let becomes_slower = |seed| {
            let host = Shape::Drifting.host(&mut Random::new(seed), 2000, 1);
            mean(&host[1500..].concat()) > mean(&host[..500].concat())
        };
        let slower = (0..100).filter(|&seed| becomes_slower(seed)).count();
        assert!((30..70).contains(&slower), "{slower}");
        let slow = values(Shape::Bimodal)
            .into_iter()
            .filter(|&value| value > 1.05)
            .count();
        assert!((500..700).contains(&slow), "{slow}");
        let log_normal = values(Shape::LogNormal);
        let above = log_normal
            .iter()
            .filter(|&&value| value > mean(&log_normal))
            .count();
        assert!(above < 970, "the mean is above the median: {above}");
        let lag = |shape| crate::diagnosis::lag_one(&values(shape)).expect("they differ");
        assert!(lag(Shape::Autocorrelated) > 0.8);
        assert!(lag(Shape::Wandering) > 0.8);
        assert!(lag(Shape::Normal).abs() < 0.1);
        let layouts = Shape::Layouts.host(&mut Random::new(2), 200, 20);
        let means: Vec<f64> = layouts.iter().map(|values| mean(values)).collect();
        assert!(crate::numeric::variance(&means) > 0.0003);
    }
}
