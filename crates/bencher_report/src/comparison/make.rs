//! From two results to the comparison document.

use std::collections::HashSet;

use bencher_runner::machine::ClockKind;
use bencher_runner::result::{Iteration, Metric, MetricName, RunnerIdentity, Setup};
use bencher_statistics::{self as statistics, Interest};

use super::gate::gate;
use super::metric::{Asked, corrected};
use super::warnings::warnings;
use super::{
    Arrangement, CompareError, Comparison, Design, Input, Options, Settings, Side, VERSION,
    differences, of_harness,
};
use crate::samples;

/// The metrics that are compared where none are named.
pub(super) const USUAL: [Metric; 3] = [Metric::Wall, Metric::Cpu, Metric::Rss];

/// Compares `candidate` with `baseline`.
///
/// # Errors
///
/// When there is nothing to compare, when the machines or clocks differ and that is not forced, and when
/// a threshold can not be decided.
pub fn compare(
    baseline: &Input,
    candidate: &Input,
    options: &Options,
) -> Result<Comparison, CompareError> {
    let (orders, seed) = match &options.interleaved {
        Some((orders, seed)) => (Some(orders.as_slice()), *seed),
        None => (None, None),
    };
    let inputs = [baseline, candidate];
    for input in inputs {
        has_something(input)?;
    }
    let iterations = inputs.map(|input| input.result.iterations.0.as_slice());
    let (used, orders) = match orders {
        Some(orders) => {
            let (used, kept) = samples::pairs(iterations[0], iterations[1], orders);
            if kept.is_empty() {
                return Err(CompareError::NoPair {
                    baseline: baseline.label.clone(),
                    candidate: candidate.label.clone(),
                    pairs: orders.len(),
                });
            }
            (used, Some(kept))
        }
        None => (iterations.map(counting), None),
    };
    let sides = [side(baseline, &used[0]), side(candidate, &used[1])];
    let [first, second] = &sides;
    let differences = match (&first.setup, &second.setup) {
        (Some(one), Some(other)) => differences((one, &first.host), (other, &second.host)),
        _ => Vec::new(),
    };
    let matters = differences.iter().any(|difference| difference.matters);
    if matters && !options.force {
        return Err(CompareError::Different {
            baseline: first.label.clone(),
            candidate: second.label.clone(),
            differences: differences
                .into_iter()
                .filter(|difference| difference.matters)
                .collect(),
        });
    }
    let settings = settings(&sides, options);
    let metrics: Vec<_> = wanted(&options.metrics, &used)
        .iter()
        .map(|metric| Asked::new(metric, &used, orders.as_deref(), &settings))
        .collect();
    if metrics.is_empty() {
        return Err(CompareError::NoMetric {
            baseline: first.label.clone(),
            candidate: second.label.clone(),
        });
    }
    let metrics = corrected(metrics, &settings);
    let gate = options
        .threshold
        .map(|threshold| gate(threshold, &options.metrics, &metrics))
        .transpose()?;
    let design = Design {
        arrangement: match orders {
            Some(_) => Arrangement::Interleaved,
            None => Arrangement::Independent,
        },
        orders: orders.iter().flatten().map(|&order| order.into()).collect(),
        seed,
    };
    let failed = iterations.map(|side| {
        let rounds = samples::rounds(side).into_iter();
        number(rounds.filter(|iteration| !iteration.counts()).count())
    });
    let warnings = warnings(&sides, failed, &design, matters, &metrics);
    let [baseline, candidate] = sides;
    Ok(Comparison {
        version: VERSION,
        runner: RunnerIdentity {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        },
        baseline,
        candidate,
        design,
        settings: Settings {
            confidence: settings.confidence.share(),
            interest: settings.interest.share(),
            levels: options.levels,
            rounds: settings.rounds,
            seed: settings.seed,
        },
        differences,
        forced: matters,
        metrics,
        gate,
        precision: options.precision.clone(),
        incomplete: None,
        warnings,
    })
}

/// Iterations that count, of a side that was measured by itself.
fn counting(iterations: &[Iteration]) -> Vec<&Iteration> {
    let rounds = samples::rounds(iterations).into_iter();
    rounds.filter(|iteration| iteration.counts()).collect()
}

/// Whether a side has an iteration that ended well, whatever the other one has, and, if it comes from a file,
/// says what ran.
fn has_something(input: &Input) -> Result<(), CompareError> {
    let result = &input.result;
    let rounds = samples::rounds(&result.iterations.0);
    let has_some = rounds.iter().any(|iteration| iteration.counts());
    let is_known = result.setup.is_some() || input.file.is_none();
    if has_some && is_known {
        return Ok(());
    }
    let reason = match (rounds.last(), &result.outcome.error) {
        _ if has_some => "the document does not say what ran".to_owned(),
        (_, Some(error)) => error.clone(),
        (Some(last), None) => format!(
            "its command failed in each of {} iterations, the last time with code {}",
            rounds.len(),
            last.exit_code
        ),
        (None, None) => "there was none".to_owned(),
    };
    Err(CompareError::Nothing {
        label: input.label.clone(),
        reason,
    })
}

fn side(input: &Input, used: &[&Iteration]) -> Side {
    let result = &input.result;
    let all = &result.iterations.0;
    let rounds = samples::rounds(all);
    Side {
        label: input.label.clone(),
        file: input.file.clone(),
        started_at: result.started_at,
        setup: result.setup.clone(),
        host: result.host.clone(),
        trust: result.trust.clone(),
        iterations: number(used.len()),
        left_out: number(rounds.len() - used.len()),
        missing: result.outcome.iterations_left_out,
        warmups: number(all.iter().filter(|iteration| iteration.warmup).count()),
        limits: result.setup.is_some().then_some(result.limits),
        perf_counters: samples::have_counters(all),
        adapter: result.adapter.clone(),
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn settings(sides: &[Side; 2], options: &Options) -> statistics::Settings {
    let has_virtual_clock = |setup: &Setup| setup.machine.description.clock == ClockKind::Virtual;
    let is_virtual = sides
        .iter()
        .all(|side| side.setup.as_ref().is_some_and(has_virtual_clock));
    let usual = if is_virtual {
        Interest::VIRTUAL_CLOCK
    } else {
        Interest::USUAL
    };
    let interest = options.interest.unwrap_or(usual);
    // What would be a failure is of interest, however small it is.
    let finer = options
        .threshold
        .filter(|threshold| threshold.0 < interest.share())
        .and_then(|threshold| Interest::new(threshold.0).ok());
    statistics::Settings {
        interest: finer.unwrap_or(interest),
        clock: if is_virtual {
            statistics::Clock::Virtual
        } else {
            statistics::Clock::Wall
        },
        levels: options.levels.into(),
        ..statistics::Settings::default()
    }
}

/// The metrics to compare: those that were named, else the usual ones that a side has and those of its
/// harness.
fn wanted(named: &[MetricName], used: &[Vec<&Iteration>; 2]) -> Vec<MetricName> {
    if !named.is_empty() {
        let mut seen = HashSet::new();
        let unique = named.iter().filter(|metric| seen.insert(*metric));
        return unique.cloned().collect();
    }
    let has = |metric: Metric| {
        let mut all = used.iter().flatten();
        all.any(|iteration| metric.of(iteration).is_some())
    };
    let usual = USUAL.into_iter().filter(|&metric| has(metric));
    usual
        .map(MetricName::Runner)
        .chain(of_harness::names(used))
        .collect()
}

#[cfg(test)]
mod tests;
