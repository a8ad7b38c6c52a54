//! What one metric says of two sides.

use bencher_runner::result::{Iteration, Metric, MetricName};
use bencher_statistics::{self as statistics, ComparisonError, Order};

use super::of_harness;
use super::{Answer, Measurements, MetricComparison, TimeDependence};
use crate::samples;

/// A metric, and the answer as the statistics have it until it is corrected.
pub(super) struct Asked {
    pub(super) told: MetricComparison,
    found: Option<statistics::Comparison>,
}

impl Asked {
    pub(super) fn new(
        metric: &MetricName,
        used: &[Vec<&Iteration>; 2],
        orders: Option<&[Order]>,
        settings: &statistics::Settings,
    ) -> Self {
        let (sides, orders) = match orders {
            None => (used.clone(), None),
            Some(orders) => {
                let (sides, orders) = whole_pairs(metric, used, orders);
                (sides, Some(orders))
            }
        };
        let kind = of_harness::kind(metric, &sides);
        let [baseline, candidate] = sides.map(|side| samples::measurements(metric, &side));
        let settings = of_harness::directed(settings, kind.better);
        let missing = missing(metric, used, orders.as_deref().map(<[Order]>::len));
        let found = match missing.or(kind.problem) {
            Some(problem) => Err(problem),
            None => find(&baseline, &candidate, orders.as_deref(), &settings),
        };
        let whole = orders.filter(|orders| !orders.is_empty());
        let pairs = whole.and_then(|_| ratios(&baseline, &candidate));
        let (found, problem) = match found {
            Ok(found) => (Some(found), None),
            Err(problem) => (None, Some(problem)),
        };
        Self {
            told: MetricComparison {
                name: metric.to_string(),
                unit: kind.unit,
                better: kind.better,
                baseline,
                candidate,
                pairs,
                answer: None,
                problem,
            },
            found,
        }
    }
}

/// The pairs of which both sides measured `metric`, with their orders. Where there is none each side
/// keeps what it has, so that it can be seen.
fn whole_pairs<'a>(
    metric: &MetricName,
    used: &[Vec<&'a Iteration>; 2],
    orders: &[Order],
) -> ([Vec<&'a Iteration>; 2], Vec<Order>) {
    let mut sides = [Vec::new(), Vec::new()];
    let mut kept = Vec::new();
    for ((&one, &other), &order) in used[0].iter().zip(&used[1]).zip(orders) {
        if metric.of(one).is_some() && metric.of(other).is_some() {
            sides[0].push(one);
            sides[1].push(other);
            kept.push(order);
        }
    }
    if kept.is_empty() {
        (used.clone(), kept)
    } else {
        (sides, kept)
    }
}

/// Why there are too few values, and whose they are; `None` when there are enough. Of `pairs` both
/// sides measured it.
fn missing(
    metric: &MetricName,
    used: &[Vec<&Iteration>; 2],
    pairs: Option<usize>,
) -> Option<String> {
    let measured = used.each_ref().map(|side| {
        let values = side.iter().filter(|one| metric.of(one).is_some());
        values.count()
    });
    let hint = hint(metric);
    match measured {
        [0, 0] => return Some(format!("neither side measured {metric}{hint}")),
        [0, _] => return Some(format!("A did not measure {metric}{hint}")),
        [_, 0] => return Some(format!("B did not measure {metric}{hint}")),
        _ => {}
    }
    // Samples that a harness took inside a single iteration have a spread of their own.
    let has_samples = |side: &[&Iteration]| {
        side.iter()
            .any(|one| metric.values(one).is_some_and(|values| values.len() > 1))
    };
    let single: Vec<_> = ["A", "B"]
        .into_iter()
        .zip(measured)
        .zip(used)
        .filter(|((_, measured), side)| *measured == 1 && !has_samples(side))
        .map(|((letter, _), side)| match side.len() {
            1 => format!("{letter} has one iteration only"),
            all => format!("{letter} measured {metric} in 1 of {all} iterations"),
        })
        .collect();
    if !single.is_empty() {
        return Some(format!(
            "{}, which says nothing about its spread: --iter 10 measures more",
            single.join(", and ")
        ));
    }
    match pairs {
        Some(0) => Some(format!("no pair measured {metric} on both sides")),
        Some(1) if !used.iter().all(|side| has_samples(side)) => Some(format!(
            "one pair only measured {metric} on both sides, which says nothing about its spread"
        )),
        _ => None,
    }
}

fn find(
    baseline: &Measurements,
    candidate: &Measurements,
    orders: Option<&[Order]>,
    settings: &statistics::Settings,
) -> Result<statistics::Comparison, String> {
    let samples = |side: &Measurements| {
        samples::samples(&side.points).ok_or_else(|| "it was not measured".to_owned())
    };
    let sides = [samples(baseline)?, samples(candidate)?];
    let is_zero =
        |samples: &statistics::Samples| samples.values().iter().all(|&value| value <= 0.0);
    if sides.iter().all(is_zero) {
        return Err("it is 0 on both sides".to_owned());
    }
    let design = match orders {
        Some(orders) => statistics::Design::Interleaved(orders),
        None => statistics::Design::Independent,
    };
    statistics::compare(&sides[0], &sides[1], design, settings).map_err(|error| match error {
        ComparisonError::NotPositive {
            side,
            invocation,
            value,
            ..
        } => {
            let (letter, side) = match side {
                statistics::SideName::Baseline => ("A", baseline),
                statistics::SideName::Candidate => ("B", candidate),
            };
            let point = side.points.get(invocation.saturating_sub(1));
            let number = point.map_or(0, |point| point.iteration);
            format!("iteration {number} of {letter} measured {value}: there is no ratio to that")
        }
        ComparisonError::Few { invocations } => format!(
            "it was the same in each of {invocations} iterations, which says little of so few: --iter 10 \
             measures more"
        ),
        other => other.to_string(),
    })
}

/// How the ratios of pairs depend on the time at which they were measured.
fn ratios(baseline: &Measurements, candidate: &Measurements) -> Option<TimeDependence> {
    let pairs = baseline.points.iter().zip(&candidate.points);
    let ratios: Option<Vec<f64>> = pairs
        .map(|(one, other)| (one.value > 0.0).then(|| other.value / one.value))
        .collect();
    TimeDependence::of(&ratios?)
}

/// What makes a metric measured.
fn hint(metric: &MetricName) -> &'static str {
    let metric = match metric {
        MetricName::Runner(metric) => metric,
        MetricName::Harness(_) => return of_harness::HINT,
    };
    match metric {
        Metric::Instructions => ": --perf-counters or --clock virtual counts them",
        Metric::Cycles
        | Metric::Branches
        | Metric::BranchMisses
        | Metric::CacheReferences
        | Metric::CacheMisses
        | Metric::TaskClock => ": --perf-counters asks for it",
        _ => "",
    }
}

/// Corrects the answers for their number.
pub(super) fn corrected(
    mut metrics: Vec<Asked>,
    settings: &statistics::Settings,
) -> Vec<MetricComparison> {
    let mut found: Vec<_> = metrics
        .iter()
        .filter_map(|asked| asked.found.clone())
        .collect();
    statistics::correct(&mut found, settings);
    let asked = metrics.iter_mut().filter(|asked| asked.found.is_some());
    for (asked, found) in asked.zip(&found) {
        asked.told.answer = Some(Answer::from(found));
    }
    metrics.into_iter().map(|asked| asked.told).collect()
}
