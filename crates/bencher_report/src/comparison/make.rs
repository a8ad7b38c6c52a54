//! From two results to the comparison document.

use bencher_runner::machine::ClockKind;
use bencher_runner::result::{
    Iteration, Iterations, Metric, MetricName, Precision, ResultDocument, RunnerIdentity,
};
use bencher_statistics::{self as statistics, ComparisonError, Interest, Order};
use thiserror::Error;

use std::collections::HashSet;

use super::{
    Answer, Arrangement, Better, Comparison, Design, Difference, Gate, Levels, Measurements,
    MetricComparison, Settings, Side, VERSION, Verdict, differences,
};
use crate::samples;

mod of_harness;

/// One side to compare.
#[derive(Debug, Clone)]
pub struct Input {
    /// What people call it.
    pub label: String,
    /// The file that the result came from; `None` when it was run for this comparison.
    pub file: Option<String>,
    /// The result.
    pub result: ResultDocument<Iterations>,
}

/// What is asked of a comparison.
#[derive(Debug, Clone)]
pub struct Options {
    /// The metrics; empty for those that matter most of what was measured.
    pub metrics: Vec<MetricName>,
    /// What the bootstrap draws.
    pub levels: Levels,
    /// The orders of the pairs, when the sides took turns, and the seed that these follow from.
    pub interleaved: Option<(Vec<Order>, u64)>,
    /// The smallest change of interest; `None` for what suits the clock.
    pub interest: Option<Interest>,
    /// How much slower the candidate may be.
    pub threshold: Option<Threshold>,
    /// Whether results of different machines or clocks are compared in spite of that.
    pub force: bool,
    /// How narrow the ratio's interval was to be, and is.
    pub precision: Option<Precision>,
}

/// How much slower a candidate may be, as a share above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold(pub f64);

/// Differences as a list for a message.
fn in_words(differences: &[Difference]) -> String {
    let words: Vec<_> = differences
        .iter()
        .map(|one| format!("{} ({} and {})", one.what, one.baseline, one.candidate))
        .collect();
    words.join(", ")
}

/// Why results are not compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A result of a run in which nothing ran.
    #[error("{label} has no iteration to compare: {reason}")]
    Nothing {
        /// The side.
        label: String,
        /// Why.
        reason: String,
    },
    /// They are of different machines or clocks.
    #[error(
        "{baseline} and {candidate} are not of the same machine or clock: {}; --force compares them all \
         the same, and marks the comparison",
        in_words(differences)
    )]
    Different {
        /// The baseline's label.
        baseline: String,
        /// The candidate's label.
        candidate: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// There is no answer for a metric that decides.
    #[error("--fail-if-slower can not be decided by {metric}: {problem}")]
    Undecided {
        /// The metric.
        metric: String,
        /// Why there is no answer.
        problem: String,
    },
}

/// The metrics that are compared where none are named.
const USUAL: [Metric; 3] = [Metric::Wall, Metric::Cpu, Metric::Rss];

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
        Some((orders, seed)) => (Some(orders.as_slice()), Some(*seed)),
        None => (None, None),
    };
    let inputs = [baseline, candidate];
    let iterations = inputs.map(|input| input.result.iterations.0.as_slice());
    let (used, orders) = match orders {
        Some(orders) => {
            let (used, orders) = samples::pairs(iterations[0], iterations[1], orders);
            (used, Some(orders))
        }
        None => (iterations.map(counting), None),
    };
    let sides = [side(baseline, &used[0])?, side(candidate, &used[1])?];
    let [first, second] = &sides;
    let differences = differences((&first.setup, &first.host), (&second.setup, &second.host));
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
    let mut metrics: Vec<_> = wanted(&options.metrics, &used)
        .iter()
        .map(|metric| Asked::new(metric, &used, orders.as_deref(), &settings))
        .collect();
    correct(&mut metrics, &settings);
    let metrics: Vec<_> = metrics.into_iter().map(|asked| asked.told).collect();
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
    let warnings = warnings(&sides, &design, matters);
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
        warnings,
    })
}

/// Iterations that count, of a side that was measured by itself.
fn counting(iterations: &[Iteration]) -> Vec<&Iteration> {
    let rounds = samples::rounds(iterations).into_iter();
    rounds.filter(|iteration| iteration.counts()).collect()
}

fn side(input: &Input, used: &[&Iteration]) -> Result<Side, CompareError> {
    let result = &input.result;
    let all = &result.iterations.0;
    let rounds = samples::rounds(all);
    let nothing = |reason: String| CompareError::Nothing {
        label: input.label.clone(),
        reason,
    };
    let Some(setup) = &result.setup else {
        let reason = result.outcome.error.clone();
        return Err(nothing(reason.unwrap_or_else(|| {
            "the document does not say what ran".to_owned()
        })));
    };
    if used.is_empty() {
        let reason = match (rounds.last(), &result.outcome.error) {
            (_, Some(error)) => error.clone(),
            (Some(last), None) => format!(
                "its command failed in each of {} iterations, the last time with code {}",
                rounds.len(),
                last.exit_code
            ),
            (None, None) => "there was none".to_owned(),
        };
        return Err(nothing(reason));
    }
    Ok(Side {
        label: input.label.clone(),
        file: input.file.clone(),
        started_at: result.started_at,
        setup: setup.clone(),
        host: result.host.clone(),
        trust: result.trust.clone(),
        iterations: number(used.len()),
        left_out: number(rounds.len() - used.len()),
        warmups: number(all.iter().filter(|iteration| iteration.warmup).count()),
        adapter: result.adapter.clone(),
    })
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn settings(sides: &[Side; 2], options: &Options) -> statistics::Settings {
    let is_virtual = sides
        .iter()
        .all(|side| side.setup.machine.description.clock == ClockKind::Virtual);
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

/// A metric, and the answer as the statistics have it until it is corrected.
struct Asked {
    told: MetricComparison,
    found: Option<statistics::Comparison>,
}

impl Asked {
    fn new(
        metric: &MetricName,
        used: &[Vec<&Iteration>; 2],
        orders: Option<&[Order]>,
        settings: &statistics::Settings,
    ) -> Self {
        // A pair of which one side did not measure it is none.
        let (used, orders) = match orders {
            None => (used.clone(), None),
            Some(orders) => {
                let whole: Vec<_> = used[0]
                    .iter()
                    .zip(&used[1])
                    .zip(orders)
                    .filter(|((one, other), _)| {
                        metric.of(one).is_some() && metric.of(other).is_some()
                    })
                    .collect();
                if whole.is_empty() {
                    (used.clone(), Some(Vec::new()))
                } else {
                    let sides = [
                        whole.iter().map(|((one, _), _)| **one).collect(),
                        whole.iter().map(|((_, other), _)| **other).collect(),
                    ];
                    let orders = whole.iter().map(|&(_, &order)| order).collect();
                    (sides, Some(orders))
                }
            }
        };
        let kind = of_harness::kind(metric, &used);
        let [baseline, candidate] = used.map(|side| samples::measurements(metric, &side));
        let settings = of_harness::directed(settings, kind.better);
        let found = match kind.problem {
            Some(problem) => Err(problem),
            None => find(metric, &baseline, &candidate, orders.as_deref(), &settings),
        };
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
                answer: None,
                problem,
            },
            found,
        }
    }
}

fn find(
    metric: &MetricName,
    baseline: &Measurements,
    candidate: &Measurements,
    orders: Option<&[Order]>,
    settings: &statistics::Settings,
) -> Result<statistics::Comparison, String> {
    let sides = [baseline, candidate].map(|side| samples::samples(&side.points));
    let (baseline, candidate) = match sides {
        [Some(baseline), Some(candidate)] => (baseline, candidate),
        [None, Some(_)] => return Err(format!("A did not measure {metric}{}", hint(metric))),
        [Some(_), None] => return Err(format!("B did not measure {metric}{}", hint(metric))),
        [None, None] => return Err(format!("neither side measured {metric}{}", hint(metric))),
    };
    let is_zero =
        |samples: &statistics::Samples| samples.values().iter().all(|&value| value <= 0.0);
    if is_zero(&baseline) && is_zero(&candidate) {
        return Err("it is 0 on both sides".to_owned());
    }
    let design = match orders {
        Some(orders) => statistics::Design::Interleaved(orders),
        None => statistics::Design::Independent,
    };
    statistics::compare(&baseline, &candidate, design, settings).map_err(|error| match error {
        ComparisonError::OneValue(side) => format!(
            "the {side} has one iteration only, which says nothing about its spread: --iter 10 \
             measures more"
        ),
        ComparisonError::NotPositive {
            side, invocation, ..
        } => format!(
            "pair or iteration {invocation} of the {side} measured 0: there is no ratio to that"
        ),
        other => other.to_string(),
    })
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
fn correct(metrics: &mut [Asked], settings: &statistics::Settings) {
    let mut found: Vec<_> = metrics
        .iter()
        .filter_map(|asked| asked.found.clone())
        .collect();
    statistics::correct(&mut found, settings);
    let asked = metrics.iter_mut().filter(|asked| asked.found.is_some());
    for (asked, found) in asked.zip(&found) {
        asked.told.answer = Some(Answer::from(found));
    }
}

/// Decides by the metrics that were named, else by those of the harness, else by the first one.
fn gate(
    threshold: Threshold,
    named: &[MetricName],
    metrics: &[MetricComparison],
) -> Result<Gate, CompareError> {
    let deciding = if named.is_empty() {
        of_harness::deciding(metrics)
    } else {
        metrics.iter().collect()
    };
    let mut gate = Gate {
        fail_if_slower: threshold.0,
        metrics: Vec::new(),
        failed: Vec::new(),
        blind: Vec::new(),
    };
    for metric in deciding {
        let Some(answer) = &metric.answer else {
            return Err(CompareError::Undecided {
                metric: metric.name.clone(),
                problem: metric.problem.clone().unwrap_or_default(),
            });
        };
        gate.metrics.push(metric.name.clone());
        let worse = match metric.better {
            Better::Lower => answer.ratio.value,
            Better::Higher => 1.0 / answer.ratio.value,
        };
        if answer.verdict == Verdict::Slower && worse > 1.0 + threshold.0 {
            gate.failed.push(metric.name.clone());
        } else if !matches!(answer.verdict, Verdict::Faster) && answer.detectable > threshold.0 {
            gate.blind.push(metric.name.clone());
        }
    }
    Ok(gate)
}

fn warnings(sides: &[Side; 2], design: &Design, forced: bool) -> Vec<String> {
    let mut warnings = Vec::new();
    if forced {
        warnings.push(
            "the sides are of different machines or clocks: their ratio is that of the machines as well"
                .to_owned(),
        );
    }
    if design.arrangement == Arrangement::Independent {
        warnings.push(
            "the sides were not measured in turns: what the host did meanwhile is in the ratio as well"
                .to_owned(),
        );
    }
    let [of_baseline, of_candidate] = sides.each_ref().map(of_side);
    for text in &of_baseline {
        let whose = if of_candidate.contains(text) {
            "A and B"
        } else {
            "A"
        };
        warnings.push(format!("{whose}: {text}"));
    }
    for text in of_candidate {
        if !of_baseline.contains(&text) {
            warnings.push(format!("B: {text}"));
        }
    }
    warnings
}

fn of_side(side: &Side) -> Vec<String> {
    let mut warnings = side.trust.reasons.clone();
    if side.trust.suspect_iterations > 0 {
        warnings.push(format!(
            "suspect iterations: {} (the host was not quiet)",
            side.trust.suspect_iterations
        ));
    }
    if side.left_out > 0 {
        warnings.push(format!(
            "iterations left out: {} (they, or those that they are compared with, failed)",
            side.left_out
        ));
    }
    warnings
}

#[cfg(test)]
mod tests;
