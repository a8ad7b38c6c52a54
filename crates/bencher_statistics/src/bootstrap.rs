//! The cluster bootstrap: how much a mean or a median would differ if everything were measured again.
//!
//! The unit that is drawn is the invocation with all of its iterations. What iterations of one
//! invocation share is then drawn with them, whether that is much or nothing. Drawing iterations once
//! more inside each drawn invocation, as the hierarchical bootstrap of Kalibera and Jones (2013) does,
//! counts their noise twice: Davison and Hinkley, "Bootstrap methods and their application" (1997),
//! section 3.8, and Field and Welsh, "Bootstrapping clustered data" (2007). Both are here
//! ([`Levels`]); docs/statistics.md shows what either covers.
//!
//! From a stratum of `k` units `k - 1` are drawn, which makes the variance of the drawn means the
//! unbiased estimate of the variance of the mean, however few units there are (McCarthy and Snowden,
//! "The bootstrap and finite population sampling", 1985).

use crate::describe::Sorted;
use crate::numeric;
use crate::random::Random;
use crate::samples::Samples;

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Center {
    /// The mean of the invocations' means: what the benchmark costs on average.
    #[default]
    Mean,
    /// The median of all values, in which each invocation weighs the same: deaf to outliers. Its
    /// intervals are wider than they need be with few invocations, and while the host drifts.
    Median,
}

/// What is drawn at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Levels {
    /// Invocations, each with all of its iterations.
    #[default]
    Invocations,
    /// Invocations, and iterations inside of them, as Kalibera and Jones (2013) do; wider, up to 1.4
    /// times, where iterations differ more than invocations.
    Both,
}

/// Groups that are drawn as one, and the order of their values.
#[derive(Debug)]
pub(crate) struct Units {
    center: Center,
    /// The values of each unit.
    values: Vec<Vec<f64>>,
    means: Vec<f64>,
    /// All values, ascending, each with its unit; for medians only.
    sorted: Vec<f64>,
    unit_of: Vec<u32>,
    /// For each unit where its values are among the sorted ones; for medians only.
    ranks: Vec<Vec<u32>>,
}

/// Fewest and most batches that one invocation is cut into.
const BATCHES: (usize, usize) = (10, 30);

impl Units {
    /// The invocations of `samples`. A single one is cut into batches of consecutive iterations, ten
    /// to thirty (Schmeiser, "Batch size effects in the analysis of simulation output", 1982), so that
    /// neighbours that resemble each other stay together.
    pub(crate) fn of(samples: &Samples, center: Center) -> Self {
        let values = match samples.invocations() {
            [single] => batches(single),
            several => several.to_vec(),
        };
        let means = values.iter().map(|unit| numeric::mean(unit)).collect();
        let mut units = Self {
            center,
            values,
            means,
            sorted: Vec::new(),
            unit_of: Vec::new(),
            ranks: Vec::new(),
        };
        if center == Center::Median {
            units.rank();
        }
        units
    }

    fn rank(&mut self) {
        let mut all: Vec<(f64, u32, u32)> = Vec::new();
        for (unit, values) in (0..).zip(&self.values) {
            all.extend(
                (0..)
                    .zip(values)
                    .map(|(place, &value)| (value, unit, place)),
            );
        }
        all.sort_by(|one, other| one.0.total_cmp(&other.0));
        self.ranks = self
            .values
            .iter()
            .map(|values| vec![0; values.len()])
            .collect();
        for (rank, &(_, unit, place)) in (0..).zip(&all) {
            self.ranks[unit as usize][place as usize] = rank;
        }
        self.sorted = all.iter().map(|&(value, ..)| value).collect();
        self.unit_of = all.iter().map(|&(_, unit, _)| unit).collect();
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.values.len()
    }

    /// The mean of each.
    pub(crate) fn means(&self) -> &[f64] {
        &self.means
    }

    /// The center of what was measured.
    pub(crate) fn center(&self) -> f64 {
        self.weighted(&vec![1.0; self.count()])
    }

    /// The center when each unit weighs this much.
    fn weighted(&self, weights: &[f64]) -> f64 {
        match self.center {
            Center::Mean => {
                let total: f64 = weights.iter().sum();
                let sum: f64 = weights
                    .iter()
                    .zip(&self.means)
                    .map(|(w, mean)| w * mean)
                    .sum();
                sum / total
            }
            Center::Median => {
                let shares: Vec<f64> = weights
                    .iter()
                    .zip(&self.values)
                    .map(|(weight, values)| weight / numeric::count(values.len()))
                    .collect();
                let weights = self.unit_of.iter().map(|&unit| shares[unit as usize]);
                weighted_median(&self.sorted, weights, shares_total(&shares, &self.values))
            }
        }
    }

    /// The center when each unit weighs this much, and its iterations are drawn anew for each time it
    /// was drawn.
    fn redrawn(&self, draws: &[(usize, f64)], random: &mut Random) -> f64 {
        let total: f64 = draws.iter().map(|&(_, weight)| weight).sum();
        match self.center {
            Center::Mean => {
                let mut sum = 0.0;
                for &(unit, weight) in draws {
                    let values = &self.values[unit];
                    let again: f64 = values
                        .iter()
                        .map(|_| values[random.below(values.len())])
                        .sum();
                    sum += weight * again / numeric::count(values.len());
                }
                sum / total
            }
            Center::Median => {
                let mut weights = vec![0.0; self.sorted.len()];
                for &(unit, weight) in draws {
                    let ranks = &self.ranks[unit];
                    let share = weight / numeric::count(ranks.len());
                    for _ in ranks {
                        weights[ranks[random.below(ranks.len())] as usize] += share;
                    }
                }
                weighted_median(&self.sorted, weights.iter().copied(), total)
            }
        }
    }
}

fn shares_total(shares: &[f64], values: &[Vec<f64>]) -> f64 {
    let of_unit = |(share, values): (&f64, &Vec<f64>)| share * numeric::count(values.len());
    shares.iter().zip(values).map(of_unit).sum()
}

/// The value at which the weights of the smaller ones reach half of `total`; the mean of it and the
/// next one when they reach it exactly.
fn weighted_median(sorted: &[f64], weights: impl Iterator<Item = f64>, total: f64) -> f64 {
    // Sums are exact to 10⁻¹⁰ at worst, and no value weighs as little.
    let slack = 1e-9 * total;
    let half = total / 2.0;
    let mut sum = 0.0;
    let mut weighted = sorted.iter().zip(weights);
    for (&value, weight) in weighted.by_ref() {
        sum += weight;
        if sum > half + slack {
            return value;
        }
        if sum > half - slack {
            let next = weighted.find(|&(_, weight)| weight > 0.0);
            return next.map_or(value, |(&next, _)| f64::midpoint(value, next));
        }
    }
    sorted.last().copied().unwrap_or(f64::NAN)
}

/// Batches of consecutive values, as many as the root of their number, within [`BATCHES`].
fn batches(values: &[f64]) -> Vec<Vec<f64>> {
    let root = numeric::index(libm::sqrt(numeric::count(values.len())));
    let count = root.clamp(BATCHES.0, BATCHES.1).min(values.len());
    let end = |batch: usize| values.len() * batch / count;
    (0..count)
        .map(|batch| values[end(batch)..end(batch + 1)].to_vec())
        .collect()
}

/// How units are drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drawing {
    pub(crate) levels: Levels,
    pub(crate) rounds: u32,
}

impl Drawing {
    /// Natural logarithms of centers, one a round, for each of `sides` from the same draws: unit `i` of
    /// one is drawn with unit `i` of the others. `strata` are drawn from apart; each has two units at
    /// least.
    pub(crate) fn logarithms<const SIDES: usize>(
        self,
        sides: [&Units; SIDES],
        strata: &[Vec<usize>],
        random: &mut Random,
    ) -> Vec<[f64; SIDES]> {
        (0..self.rounds)
            .map(|_| {
                let centers = match self.levels {
                    Levels::Invocations => {
                        let weights = draw_weights(strata, random);
                        sides.map(|units| units.weighted(&weights))
                    }
                    Levels::Both => {
                        let draws = draw(strata, random);
                        sides.map(|units| units.redrawn(&draws, random))
                    }
                };
                centers.map(libm::log)
            })
            .collect()
    }
}

/// How much a unit of a stratum weighs each time it is drawn: all draws together weigh as much as the
/// stratum has units.
fn weight_of_draw(stratum: &[usize]) -> f64 {
    numeric::count(stratum.len()) / numeric::count(stratum.len() - 1)
}

/// Units with their weights, one for each draw.
fn draw(strata: &[Vec<usize>], random: &mut Random) -> Vec<(usize, f64)> {
    let mut draws = Vec::new();
    for stratum in strata {
        let weight = weight_of_draw(stratum);
        let of_stratum = (1..stratum.len()).map(|_| stratum[random.below(stratum.len())]);
        draws.extend(of_stratum.map(|unit| (unit, weight)));
    }
    draws
}

/// The weight of each unit after as many draws. Counting first keeps what is hit at random small enough
/// for the processor's caches.
fn draw_weights(strata: &[Vec<usize>], random: &mut Random) -> Vec<f64> {
    let units = strata.iter().map(Vec::len).sum();
    let mut weights = vec![0.0; units];
    for stratum in strata {
        let mut counts = vec![0_u32; stratum.len()];
        for _ in 1..stratum.len() {
            counts[random.below(stratum.len())] += 1;
        }
        let weight = weight_of_draw(stratum);
        for (&unit, &count) in stratum.iter().zip(&counts) {
            weights[unit] = weight * f64::from(count);
        }
    }
    weights
}

/// The standard deviation of what was drawn.
pub(crate) fn standard_error(drawn: &[f64]) -> f64 {
    Sorted::new(drawn.to_vec()).map_or(f64::NAN, |drawn| drawn.standard_deviation())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn units(invocations: Vec<Vec<f64>>, center: Center) -> Units {
        Units::of(&Samples::new(invocations).expect("they are finite"), center)
    }

    #[test]
    fn each_invocation_weighs_the_same() {
        let invocations = vec![vec![1.0], vec![3.0, 3.0, 3.0]];
        let mean = units(invocations.clone(), Center::Mean).center();
        assert!((mean - 2.0).abs() < 1e-12, "{mean}");
        let median = units(invocations, Center::Median).center();
        assert!(
            (median - 2.0).abs() < 1e-12,
            "half of the weight is below: {median}"
        );
    }

    #[test]
    fn a_single_invocation_is_cut_into_batches_of_neighbours() {
        let values: Vec<f64> = (0..1000).map(f64::from).collect();
        for (length, expected) in [(2, 2), (9, 9), (10, 10), (400, 20), (1000, 30)] {
            let batches = batches(&values[..length]);
            assert_eq!(batches.len(), expected, "{length}");
            assert_eq!(batches.concat(), values[..length]);
        }
    }

    #[test]
    fn the_standard_error_of_a_mean_is_the_known_one() {
        let values = [10.0, 11.0, 12.5, 9.0, 10.5, 10.2];
        let samples = values.iter().map(|&value| vec![value]).collect();
        let units = units(samples, Center::Mean);
        let drawing = Drawing {
            levels: Levels::Invocations,
            rounds: 20_000,
        };
        let strata = [(0..6).collect()];
        let drawn = drawing.logarithms([&units], &strata, &mut Random::new(1));
        let drawn: Vec<f64> = drawn.into_iter().flatten().collect();
        let expected = libm::sqrt(numeric::variance(&values) / 6.0) / numeric::mean(&values);
        let found = standard_error(&drawn);
        assert!((found / expected - 1.0).abs() < 0.03, "{found} {expected}");
    }

    #[test]
    fn drawing_both_levels_counts_the_noise_of_iterations_twice() {
        let mut random = Random::new(5);
        let mut invocation = || (0..10).map(|_| 100.0 + random.normal()).collect();
        let units = units((0..30).map(|_| invocation()).collect(), Center::Mean);
        let error = |levels| {
            let drawing = Drawing {
                levels,
                rounds: 4000,
            };
            let strata = [(0..30).collect()];
            let drawn = drawing.logarithms([&units], &strata, &mut Random::new(1));
            standard_error(&drawn.into_iter().flatten().collect::<Vec<_>>())
        };
        let ratio = error(Levels::Both) / error(Levels::Invocations);
        assert!((1.25..1.55).contains(&ratio), "{ratio}");
    }

    proptest! {
        #[test]
        fn a_weighted_median_is_that_of_repeated_values(
            counted in prop::collection::vec((0_u32..50, 0_usize..4), 1..30),
        ) {
            let mut counted = counted;
            counted.sort_unstable();
            let repeated: Vec<f64> = counted
                .iter()
                .flat_map(|&(value, times)| std::iter::repeat_n(f64::from(value), times))
                .collect();
            prop_assume!(!repeated.is_empty());
            let sorted: Vec<f64> = counted.iter().map(|&(value, _)| f64::from(value)).collect();
            let weights = counted.iter().map(|&(_, times)| 0.1 * numeric::count(times));
            let found = weighted_median(&sorted, weights, 0.1 * numeric::count(repeated.len()));
            let expected = Sorted::new(repeated).expect("there are some").median();
            prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }
}
