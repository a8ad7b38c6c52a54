//! Two sides, one answer.

use crate::bootstrap::Units;
use crate::describe::Summary;
use crate::discovery;
use crate::interval::{self, Estimate, FEWEST, Logarithm};
use crate::numeric::{self, ROUNDING};
use crate::plan::Order;
use crate::rank::RankTest;
use crate::samples::Samples;
use crate::settings::{Clock, Settings};
use crate::verdict::Verdict;

/// How the sides were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design<'a> {
    /// In turns: invocation `i` of one side next to invocation `i` of the other one, in these orders
    /// ([`crate::Plan`]). What the host did to both is no difference between them.
    Interleaved(&'a [Order]),
    /// One after the other, or on different days.
    Independent,
}

/// What the interval follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Each side measured exactly the same each time, or each pair the same ratio: the numbers are
    /// compared as they are.
    Exact,
    /// Pairs of neighbouring invocations are drawn.
    Paired,
    /// Each side's invocations are drawn.
    Independent,
    /// A side has one invocation only, of which batches of iterations are drawn: what differs from one
    /// invocation to the next is not in the interval.
    WithinInvocation,
}

/// The answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// What the baseline's samples are like.
    pub baseline: Summary,
    /// What the candidate's samples are like.
    pub candidate: Summary,
    /// How many times as large the candidate's center is as the baseline's.
    pub ratio: Estimate,
    /// What the interval follows from.
    pub method: Method,
    /// The probability of a ratio as far from 1 when the sides are alike.
    pub p_value: f64,
    /// The same, adjusted for the number of comparisons by [`correct`].
    pub adjusted_p_value: Option<f64>,
    /// The ranks of the invocations' means, or of the batches' with one invocation: a second opinion
    /// that does not know which ones were neighbours.
    pub ranks: RankTest,
    /// The smallest change that would be seen in 80 % of such comparisons, as a share: 0.01 is 1 %.
    pub detectable: f64,
    /// What it comes to.
    pub verdict: Verdict,
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum ComparisonError {
    /// A single value has no spread.
    #[error(
        "the {0} has one value only, which says nothing about its spread; measure at least {FEWEST} times"
    )]
    OneValue(SideName),
    /// Values that are the same each time, but not often enough to say that they always are.
    #[error(
        "the values are the same each time, but of {invocations} invocations that says little; measure at \
         least {FEWEST} times"
    )]
    Few {
        /// Invocations of the side that has fewer.
        invocations: usize,
    },
    /// Ratios need values above zero.
    #[error(
        "iteration {iteration} of invocation {invocation} of the {side} is {value}; ratios need values \
         above zero, so leave it out or compare another metric"
    )]
    NotPositive {
        /// Whose value it is.
        side: SideName,
        /// The number of the invocation, from 1.
        invocation: usize,
        /// The number of the iteration, from 1.
        iteration: usize,
        /// The value.
        value: f64,
    },
    /// The sides can not have been measured in turns.
    #[error(
        "{baseline} invocations of the baseline and {candidate} of the candidate are not {pairs} pairs; \
         leave out those without a neighbour or compare them as independent"
    )]
    NotPaired {
        /// Invocations of the baseline.
        baseline: usize,
        /// Invocations of the candidate.
        candidate: usize,
        /// Pairs that there should be.
        pairs: usize,
    },
    /// Values that differ, with centers that do not.
    #[error(
        "the values are too coarse for an interval: almost all of them are equal; measure with a finer \
         clock, a longer benchmark, or compare means instead of medians"
    )]
    NoSpread,
}

/// A side in messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SideName {
    /// What is compared with.
    Baseline,
    /// What is compared.
    Candidate,
}

impl std::fmt::Display for SideName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Baseline => "baseline",
            Self::Candidate => "candidate",
        })
    }
}

/// Compares `candidate` with `baseline`.
///
/// # Errors
///
/// When a side has one value only or one that is not above zero, when sides of an interleaved design
/// are not paired, when values are the same each time but (except under a virtual clock) of fewer than
/// five invocations, and when there is no spread to conclude from though the values differ.
pub fn compare(
    baseline: &Samples,
    candidate: &Samples,
    design: Design<'_>,
    settings: &Settings,
) -> Result<Comparison, ComparisonError> {
    check(SideName::Baseline, baseline)?;
    check(SideName::Candidate, candidate)?;
    check_pairs(baseline, candidate, design)?;
    let sides = [baseline, candidate].map(|samples| Units::of(samples, settings.center));
    let [first, second] = &sides;
    let ranks = RankTest::of(first.means(), second.means()).ok_or(ComparisonError::NoSpread)?;
    let is_exact = (baseline.repeats_exactly() && candidate.repeats_exactly())
        || (design != Design::Independent && baseline.is_multiple_of(candidate));
    let found = if is_exact {
        Found::exact(&sides, [baseline, candidate], settings)?
    } else {
        Found::drawn(&sides, design, [baseline, candidate], settings)?
    };
    Ok(Comparison {
        baseline: Summary::of(baseline),
        candidate: Summary::of(candidate),
        ratio: found.ratio,
        method: found.method,
        p_value: found.p_value,
        adjusted_p_value: None,
        ranks,
        detectable: found.detectable,
        verdict: found.verdict,
    })
}

/// The part of an answer that depends on the method.
struct Found {
    ratio: Estimate,
    method: Method,
    p_value: f64,
    detectable: f64,
    verdict: Verdict,
}

impl Found {
    /// Under a virtual clock every difference is one. Elsewhere what is the same each time may be too
    /// coarse to differ, so it takes several invocations and a difference of interest.
    fn exact(
        [first, second]: &[Units; 2],
        samples: [&Samples; 2],
        settings: &Settings,
    ) -> Result<Self, ComparisonError> {
        let value = second.center() / first.center();
        let ratio = if (value - 1.0).abs() <= ROUNDING {
            Estimate::exact(1.0)
        } else {
            Estimate::exact(value)
        };
        let counts = samples.map(|samples| samples.invocations().len());
        let (verdict, chance) = match settings.clock {
            Clock::Virtual => (Verdict::of_exact(ratio.value, settings.better), 0.0),
            Clock::Wall => {
                let invocations = counts[0].min(counts[1]);
                if invocations < FEWEST {
                    return Err(ComparisonError::Few { invocations });
                }
                let verdict = Verdict::of(&ratio, settings.interest, settings.better);
                (verdict, chance_of_separation(counts))
            }
        };
        let differs = ratio != Estimate::exact(1.0);
        Ok(Self {
            ratio,
            method: Method::Exact,
            p_value: if differs { chance } else { 1.0 },
            detectable: 0.0,
            verdict,
        })
    }

    fn drawn(
        [first, second]: &[Units; 2],
        design: Design<'_>,
        samples: [&Samples; 2],
        settings: &Settings,
    ) -> Result<Self, ComparisonError> {
        let single = samples
            .iter()
            .any(|samples| samples.invocations().len() == 1);
        let (method, logarithm): (Method, Logarithm) = match design {
            Design::Interleaved(orders) if !single => {
                let paired = interval::paired(first, second, &strata(orders), settings);
                (Method::Paired, paired)
            }
            _ => {
                let method = if single {
                    Method::WithinInvocation
                } else {
                    Method::Independent
                };
                (method, interval::independent(first, second, settings))
            }
        };
        if !logarithm.scatters() {
            return Err(ComparisonError::NoSpread);
        }
        let ratio = logarithm.estimate(settings.confidence);
        Ok(Self {
            ratio,
            method,
            p_value: logarithm.p_value(),
            detectable: logarithm.detectable(settings.confidence),
            verdict: Verdict::of(&ratio, settings.interest, settings.better),
        })
    }
}

/// The probability that all values of one side lie above all of the other one when the sides are alike:
/// two of all ways to deal them out.
fn chance_of_separation([baseline, candidate]: [usize; 2]) -> f64 {
    let ways = (1..=baseline).fold(1.0, |ways, place| {
        ways * numeric::count(candidate + place) / numeric::count(place)
    });
    (2.0 / ways).min(1.0)
}

/// Pairs by their order, so that a drift from the first to the second of a pair, which pushes pairs of
/// the two orders apart, is no spread. Of few pairs all are one stratum.
fn strata(orders: &[Order]) -> Vec<Vec<usize>> {
    let with = |order| {
        let places = orders.iter().enumerate();
        places
            .filter(|&(_, &found)| found == order)
            .map(|(place, _)| place)
            .collect::<Vec<_>>()
    };
    let strata = [with(Order::BaselineFirst), with(Order::CandidateFirst)];
    if strata.iter().all(|stratum| stratum.len() >= 2) {
        strata.to_vec()
    } else {
        vec![(0..orders.len()).collect()]
    }
}

fn check(side: SideName, samples: &Samples) -> Result<(), ComparisonError> {
    if samples.count() < 2 {
        return Err(ComparisonError::OneValue(side));
    }
    match samples.first_not_positive() {
        Some((invocation, iteration, value)) => Err(ComparisonError::NotPositive {
            side,
            invocation,
            iteration,
            value,
        }),
        None => Ok(()),
    }
}

fn check_pairs(
    baseline: &Samples,
    candidate: &Samples,
    design: Design<'_>,
) -> Result<(), ComparisonError> {
    let Design::Interleaved(orders) = design else {
        return Ok(());
    };
    let pairs = orders.len();
    let (baseline, candidate) = (baseline.invocations().len(), candidate.invocations().len());
    if baseline == pairs && candidate == pairs {
        return Ok(());
    }
    Err(ComparisonError::NotPaired {
        baseline,
        candidate,
        pairs,
    })
}

/// Adjusts the comparisons of several metrics or benchmarks for their number
/// ([`crate::discovery::adjust`]): a change that does not stand the adjustment becomes *no difference
/// seen* when all of its interval is of no interest, else *too noisy to say*.
pub fn correct(comparisons: &mut [Comparison], settings: &Settings) {
    let p_values: Vec<f64> = comparisons.iter().map(|one| one.p_value).collect();
    for (comparison, adjusted) in comparisons.iter_mut().zip(discovery::adjust(&p_values)) {
        comparison.adjusted_p_value = Some(adjusted);
        if comparison.verdict.is_change() && adjusted > settings.confidence.doubt() {
            comparison.verdict = Verdict::of_doubtful(&comparison.ratio, settings.interest);
        }
    }
}

#[cfg(test)]
mod tests;
