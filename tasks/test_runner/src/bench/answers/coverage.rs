//! How often an interval of 95 % holds the true ratio, and how often equal sides are told apart.

use std::fmt::Write as _;

use bencher_statistics::simulation::Shape;
use bencher_statistics::{Center, Levels, Random, Settings};

use super::{TRIALS, of, percent};

/// Invocations and the iterations of each.
const SIZES: [(usize, usize); 5] = [(5, 10), (10, 1), (10, 10), (20, 5), (30, 1)];

/// How often what is not the default is tried: it takes longer.
const FEW: u32 = TRIALS / 4;

/// What the candidate takes, times the baseline.
const TRUE_RATIO: f64 = 1.05;

pub(super) fn table() -> String {
    let mut text = format!(
        "### Intervals of 95 % that hold the true ratio, and false alarms, in percent of {TRIALS} trials ({FEW} \
         of what is not the default)\n\n\
         | noise | center, drawn |"
    );
    for (pairs, iterations) in SIZES {
        let _ = write!(text, " {pairs} × {iterations} |");
    }
    text.push_str("\n|---|---|");
    text.push_str(&"---:|".repeat(SIZES.len()));
    text.push('\n');
    for shape in Shape::ALL {
        for (name, center, levels, trials) in [
            (
                "mean, invocations",
                Center::Mean,
                Levels::Invocations,
                TRIALS,
            ),
            ("mean, both levels", Center::Mean, Levels::Both, FEW),
            (
                "median, invocations",
                Center::Median,
                Levels::Invocations,
                FEW,
            ),
        ] {
            let settings = Settings {
                center,
                levels,
                ..Settings::default()
            };
            let _ = write!(text, "| {} | {name} |", shape.name());
            for (pairs, iterations) in SIZES {
                let covered = covered(shape, pairs, iterations, &settings, trials);
                let alarms = alarms(shape, pairs, iterations, &settings, trials);
                let _ = write!(
                    text,
                    " {}, {} |",
                    percent(covered, trials),
                    percent(alarms, trials)
                );
            }
            text.push('\n');
        }
    }
    text
}

fn covered(shape: Shape, pairs: usize, iterations: usize, settings: &Settings, trials: u32) -> u32 {
    let mut random = Random::new(1);
    let covers = |_: &u32| {
        let pair = shape.pair(&mut random.split(), pairs, iterations, TRUE_RATIO);
        of(&pair, settings).is_ok_and(|found| found.ratio.covers(TRUE_RATIO))
    };
    count((0..trials).filter(covers))
}

fn alarms(shape: Shape, pairs: usize, iterations: usize, settings: &Settings, trials: u32) -> u32 {
    let mut random = Random::new(2);
    let alarms = |_: &u32| {
        let pair = shape.pair(&mut random.split(), pairs, iterations, 1.0);
        of(&pair, settings).is_ok_and(|found| found.verdict.is_change())
    };
    count((0..trials).filter(alarms))
}

fn count(trials: impl Iterator<Item = u32>) -> u32 {
    trials.map(|_| 1).sum()
}
