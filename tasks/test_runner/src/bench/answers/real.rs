//! The same on real runs: one command, taken for both sides.
//!
//! ```text
//! record   r r r r r r r r r r r r r r r r r r …   runs of one command, one after the other
//! trial          └ A B B A B A A B ┘               a block of them, dealt out in the order of a plan
//! ```
//!
//! What the host did from run to run stays as it was, since a block keeps its order. The true ratio is 1,
//! so each difference that is told is a false alarm.

use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, ensure};
use bencher_statistics::{
    Comparison, Design, Order, Plan, Random, Samples, Settings, Side, TimeDependence, compare,
};

use super::{TRIALS, percent};
use crate::bench::statistics;
use crate::console;
use crate::images::{self, Image};
use crate::process;
use crate::report::Report;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// A few milliseconds of work.
const SCRIPT: &str = "i=0; while [ $i -lt 2000 ]; do i=$((i + 1)); done";

/// Runs of each round.
const RUNS: u32 = 2000;

/// Pairs of each comparison.
const PAIRS: [usize; 4] = [5, 10, 20, 30];

pub(super) fn table(workspace: &Workspace, rounds: u32) -> anyhow::Result<String> {
    images::ensure(workspace, Image::Busybox)?;
    let runner = Runner::build(workspace)?;
    let mut record = Vec::new();
    for round in 0..rounds {
        console::note(&format!("{RUNS} real runs, {} of {rounds}", round + 1));
        record.extend(measure(workspace, &runner)?);
    }
    render(&record, TRIALS)
}

/// Runs the command again and again, on the host's kernel.
fn measure(workspace: &Workspace, runner: &Runner) -> anyhow::Result<Vec<f64>> {
    let result = workspace.folder("bench")?.join("answers.json");
    let mut command = runner.command();
    command
        .args(["--quiet", "run", "--sandbox", "none", "--image"])
        .arg(images::path(workspace, Image::Busybox))
        .args(["--iter", &RUNS.to_string(), "--result"])
        .arg(&result)
        .args(["--", "sh", "-c", SCRIPT]);
    process::capture(&mut command)?;
    let report = Report::read(&result)?;
    fs::remove_file(&result).with_context(|| format!("cannot remove {}", result.display()))?;
    let times = report.iterations.iter().map(|iteration| {
        let resources = iteration.resources.as_ref();
        let time = resources.context("a run was not measured")?.wall_ns;
        #[expect(clippy::cast_precision_loss, reason = "exact up to 104 days")]
        Ok(time as f64)
    });
    times.collect()
}

fn render(record: &[f64], trials: u32) -> anyhow::Result<String> {
    let longest = 2 * PAIRS.into_iter().max().unwrap_or_default();
    ensure!(
        record.len() >= longest,
        "{} runs are fewer than the {longest} of one comparison",
        record.len()
    );
    let samples = statistics::Samples::new(record.to_vec()).context("nothing was measured")?;
    let time = TimeDependence::of(record).context("all runs took exactly the same time")?;
    let mut text = format!(
        "### Equal sides out of {} real runs: {trials} comparisons each\n\n\
         `{SCRIPT}` with `--sandbox none`: median {:.2} ms, coefficient of variation {:.1} %, correlation of \
         neighbours {:.2}. A comparison is a block of consecutive runs, in their order.\n\n\
         | pairs | blocks that do not overlap | in turns: the interval holds 1, percent (goal 93 – 97) | \
         in turns: false alarms, percent (goal ≤ 5) | one after the other: the interval holds 1 | \
         one after the other: false alarms |\n|---:|---:|---:|---:|---:|---:|\n",
        record.len(),
        samples.median() / 1e6,
        100.0 * samples.variation().unwrap_or_default(),
        time.lag_one,
    );
    for pairs in PAIRS {
        let mut random = Random::new(5);
        let (mut in_turns, mut apart) = (Tally::default(), Tally::default());
        for _ in 0..trials {
            let block = block(record, 2 * pairs, &mut random);
            let orders: Vec<Order> = Plan::new(random.bits()).take(pairs).collect();
            in_turns.add(dealt_out(block, &orders).as_ref());
            apart.add(halves(block).as_ref());
        }
        let _ = writeln!(
            text,
            "| {pairs} | {} | {} | {} | {} | {} |",
            record.len() / (2 * pairs),
            percent(in_turns.held, trials),
            percent(in_turns.alarms, trials),
            percent(apart.held, trials),
            percent(apart.alarms, trials),
        );
    }
    Ok(text)
}

/// What comparisons of equal sides came to. One without an answer holds nothing.
#[derive(Debug, Default)]
struct Tally {
    held: u32,
    alarms: u32,
}

impl Tally {
    fn add(&mut self, found: Option<&Comparison>) {
        if let Some(found) = found {
            self.held += u32::from(found.ratio.covers(1.0));
            self.alarms += u32::from(found.verdict.is_change());
        }
    }
}

/// So many consecutive runs, from anywhere.
fn block<'a>(record: &'a [f64], runs: usize, random: &mut Random) -> &'a [f64] {
    let start = random.below(record.len() - runs + 1);
    &record[start..start + runs]
}

/// Neighbours of a block as pairs, which side first is as `orders` say.
fn dealt_out(block: &[f64], orders: &[Order]) -> Option<Comparison> {
    let mut sides = [Vec::new(), Vec::new()];
    let turns = orders.iter().flat_map(|order| order.sides());
    for (&time, side) in block.iter().zip(turns) {
        sides[usize::from(side == Side::Candidate)].push(time);
    }
    compared(&sides[0], &sides[1], Design::Interleaved(orders))
}

/// The first half of a block and the second one.
fn halves(block: &[f64]) -> Option<Comparison> {
    let (baseline, candidate) = block.split_at(block.len() / 2);
    compared(baseline, candidate, Design::Independent)
}

fn compared(baseline: &[f64], candidate: &[f64], design: Design<'_>) -> Option<Comparison> {
    let [baseline, candidate] = [baseline, candidate].map(Samples::of_invocations);
    compare(
        &baseline.ok()?,
        &candidate.ok()?,
        design,
        &Settings::default(),
    )
    .ok()
}

#[cfg(test)]
mod tests {
    use bencher_statistics::simulation::Shape;

    use super::*;

    #[test]
    fn neighbours_are_pairs_in_the_order_of_the_plan() {
        use Order::{BaselineFirst, CandidateFirst};
        let block = [1.0, 1.1, 2.2, 2.0, 3.3, 3.0, 4.0, 4.5];
        let orders = [BaselineFirst, CandidateFirst, CandidateFirst, BaselineFirst];
        let found = dealt_out(&block, &orders).expect("it is one");
        assert!((found.baseline.mean - 2.5).abs() < 1e-12);
        assert!((found.candidate.mean - 2.775).abs() < 1e-12);
        let apart = halves(&block).expect("it is one");
        assert!((apart.baseline.mean - 1.575).abs() < 1e-12);
    }

    #[test]
    fn blocks_are_consecutive_runs_of_the_whole_record() {
        let record: Vec<f64> = (0..50).map(f64::from).collect();
        let mut random = Random::new(1);
        let mut starts = [false; 41];
        for _ in 0..2000 {
            let block = block(&record, 10, &mut random);
            assert_eq!(block.len(), 10);
            assert!(
                block
                    .windows(2)
                    .all(|pair| (pair[1] - pair[0] - 1.0).abs() < 1e-12)
            );
            let start = record
                .iter()
                .position(|value| value.total_cmp(&block[0]).is_eq());
            starts[start.expect("it is of the record")] = true;
        }
        assert!(starts.iter().all(|&seen| seen));
    }

    #[test]
    fn on_a_host_that_wanders_turns_keep_what_the_others_break() {
        let record = Shape::Wandering.host(&mut Random::new(8), 4000, 1).concat();
        let text = render(&record, 200).expect("there are enough");
        let last = text.lines().last().expect("there is one");
        let cells: Vec<f64> = last
            .split('|')
            .filter_map(|cell| cell.trim().parse().ok())
            .collect();
        let [pairs, blocks, held, alarms, _, alarms_apart] = cells[..] else {
            panic!("{last}");
        };
        assert_eq!((pairs, blocks), (30.0, 66.0));
        assert!((90.0..=99.0).contains(&held) && alarms <= 8.0, "{last}");
        assert!(alarms_apart > 4.0 * alarms, "{last}");
        assert!(render(&record[..59], 200).is_err());
    }
}
