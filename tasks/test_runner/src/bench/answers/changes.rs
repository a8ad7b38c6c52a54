//! Which changes of a series are found, and how often noise is taken for one.

use std::fmt::Write as _;

use bencher_statistics::{ChangeSettings, Random, changes};

use super::{TRIALS, percent};

/// Results of a series.
const LENGTHS: [usize; 4] = [20, 50, 100, 200];

/// Steps, in standard deviations of the noise.
const STEPS: [u32; 4] = [1, 2, 3, 5];

pub(super) fn table() -> String {
    let mut text = format!(
        "### Change points, in percent of {TRIALS} series of normal noise\n\n\
         | results | false alarms (series with one) | false alarms per 1,000 results |"
    );
    for step in STEPS {
        let _ = write!(text, " step of {step} σ in the middle found, ± 2 |");
    }
    for step in STEPS {
        let _ = write!(text, " of {step} σ before the last 5 |");
    }
    text.push_str("\n|---:|---:|---:|");
    text.push_str(&"---:|".repeat(2 * STEPS.len()));
    text.push('\n');
    for length in LENGTHS {
        let mut random = Random::new(5);
        let found: Vec<usize> = (0..TRIALS)
            .map(|_| points(&mut random.split(), length, 0, 0).len())
            .collect();
        let series = found.iter().filter(|&&points| points > 0).count();
        let all: usize = found.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "there are few")]
        let rate = 1000.0 * all as f64 / (length as f64 * f64::from(TRIALS));
        let series = percent(u32::try_from(series).unwrap_or(TRIALS), TRIALS);
        let _ = write!(text, "| {length} | {series} | {rate:.1} |");
        for at in [length / 2, length - 5] {
            for step in STEPS {
                let hit = |_: &u32| {
                    let points = points(&mut random.split(), length, at, step);
                    points.iter().any(|point| point.abs_diff(at) <= 2)
                };
                let hits = (0..TRIALS).filter(hit).map(|_| 1).sum();
                let _ = write!(text, " {} |", percent(hits, TRIALS));
            }
        }
        text.push('\n');
    }
    text
}

/// The points found in a series around 100 with a standard deviation of 1, `step` more from `at` on.
fn points(random: &mut Random, length: usize, at: usize, step: u32) -> Vec<usize> {
    let level = |place: usize| 100.0 + if place < at { 0.0 } else { f64::from(step) };
    let series: Vec<f64> = (0..length)
        .map(|place| level(place) + random.normal())
        .collect();
    let found = changes(&series, &ChangeSettings::default()).unwrap_or_default();
    found.iter().map(|point| point.index).collect()
}
