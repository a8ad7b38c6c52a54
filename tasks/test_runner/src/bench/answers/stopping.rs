//! What is left of the promise of 95 % when measuring ends once the interval is narrow.

use std::fmt::Write as _;
use std::time::Duration;

use bencher_statistics::simulation::{Pair, Shape};
use bencher_statistics::{Decision, Estimate, Random, Samples, Settings, StopRule};

use super::{TRIALS, of, percent};

const RULE: StopRule = StopRule {
    half_width: 0.01,
    most: 200,
    longest: Duration::MAX,
};

/// What the candidate takes, times the baseline.
const TRUE_RATIO: f64 = 1.02;

pub(super) fn table() -> String {
    let mut text = format!(
        "### Pairs until the ratio is known to ± 1 %, at most {}: {TRIALS} trials\n\n\
         | noise | pairs, mean | narrow enough, percent | hold the true ratio, percent | \
         the same with as many pairs from the outset |\n|---|---:|---:|---:|---:|\n",
        RULE.most
    );
    let of_interest = [
        Shape::Normal,
        Shape::Bimodal,
        Shape::Drifting,
        Shape::Wandering,
        Shape::Autocorrelated,
        Shape::Layouts,
    ];
    for shape in of_interest {
        let (mut pairs, mut narrow, mut covered, mut fixed) = (0, 0, 0, 0);
        let mut random = Random::new(4);
        for _ in 0..TRIALS {
            let (measured, estimate) = adaptive(shape, &mut random.split());
            pairs += measured;
            narrow += u32::from(estimate.half_width() <= RULE.half_width);
            covered += u32::from(estimate.covers(TRUE_RATIO));
            let pair = shape.pair(&mut random.split(), measured as usize, 1, TRUE_RATIO);
            fixed += u32::from(ratio(&pair).covers(TRUE_RATIO));
        }
        let _ = writeln!(
            text,
            "| {} | {:.1} | {} | {} | {} |",
            shape.name(),
            f64::from(pairs) / f64::from(TRIALS),
            percent(narrow, TRIALS),
            percent(covered, TRIALS),
            percent(fixed, TRIALS),
        );
    }
    text
}

/// Measures until the rule says stop: how many pairs, and what came of them.
fn adaptive(shape: Shape, random: &mut Random) -> (u32, Estimate) {
    // All that could be measured; the rule sees a part of it.
    let all = shape.pair(random, RULE.most as usize, 1, TRUE_RATIO);
    let mut measured = 0;
    let mut found = None;
    while let Decision::MeasureUntil(next) = RULE.decide(measured, Duration::ZERO, found.as_ref()) {
        measured = next;
        found = Some(ratio(&first(&all, measured as usize)));
    }
    (measured, found.unwrap_or_else(|| ratio(&all)))
}

fn first(all: &Pair, pairs: usize) -> Pair {
    let part = |samples: &Samples| {
        let invocations = samples.invocations()[..pairs].to_vec();
        Samples::new(invocations).expect("a part of what is finite")
    };
    Pair {
        baseline: part(&all.baseline),
        candidate: part(&all.candidate),
        orders: all.orders[..pairs].to_vec(),
    }
}

fn ratio(pair: &Pair) -> Estimate {
    of(pair, &Settings::default()).expect("they scatter").ratio
}
