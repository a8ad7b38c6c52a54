//! How many runs it takes to see a change on a host that does not hold still: in turns, and one side
//! after the other with the t-test of Welch (1947), as is usual.

use std::fmt::Write as _;

use bencher_statistics::simulation::Shape;
use bencher_statistics::{Random, Samples, Settings, Sorted, Verdict, distributions};

use super::{TRIALS, of, percent};

/// Runs of each side.
const RUNS: [usize; 10] = [5, 8, 10, 14, 20, 28, 40, 56, 80, 160];

/// What the candidate takes, times the baseline.
const SLOWER: f64 = 1.02;

pub(super) fn table() -> String {
    let mut text = format!(
        "### A slowdown of 2 % found, in percent of {TRIALS} trials\n\n\
         | host | runs of each side | in turns: found | in turns: false alarms | Welch: found | \
         Welch: false alarms | Welch at 5 % false alarms: found |\n\
         |---|---:|---:|---:|---:|---:|---:|\n"
    );
    for shape in [
        Shape::Wandering,
        Shape::Drifting,
        Shape::Slowing,
        Shape::Normal,
    ] {
        for runs in RUNS {
            let row = Row::of(shape, runs);
            let _ = writeln!(
                text,
                "| {} | {runs} | {} | {} | {} | {} | {} |",
                shape.name(),
                percent(row.found, TRIALS),
                percent(row.alarms, TRIALS),
                percent(row.welch_found, TRIALS),
                percent(row.welch_alarms, TRIALS),
                percent(row.welch_found_at_its_level, TRIALS),
            );
        }
    }
    text
}

#[derive(Debug, Default)]
struct Row {
    found: u32,
    alarms: u32,
    welch_found: u32,
    welch_alarms: u32,
    /// Found with the limit that equal sides exceed in 5 % of all trials.
    welch_found_at_its_level: u32,
}

impl Row {
    fn of(shape: Shape, runs: usize) -> Self {
        let settings = Settings::default();
        let mut random = Random::new(3);
        let mut row = Self::default();
        let (mut equal, mut slower) = (Vec::new(), Vec::new());
        for _ in 0..TRIALS {
            let mut turns = |ratio| {
                let pair = shape.pair(&mut random.split(), runs, 1, ratio);
                of(&pair, &settings).map(|found| found.verdict)
            };
            row.found += u32::from(turns(SLOWER) == Ok(Verdict::Slower));
            row.alarms += u32::from(turns(1.0).is_ok_and(Verdict::is_change));
            equal.push(welch(&shape.sequence(&mut random.split(), runs, 1.0)));
            slower.push(welch(&shape.sequence(&mut random.split(), runs, SLOWER)));
        }
        row.welch_found = count(&slower, |test| test.0 > 0.0 && test.1 < 0.05);
        row.welch_alarms = count(&equal, |test| test.1 < 0.05);
        let p_values = equal.iter().map(|test| test.1).collect();
        let limit = Sorted::new(p_values).map_or(0.0, |sorted| sorted.quantile(0.05));
        row.welch_found_at_its_level = count(&slower, |test| test.0 > 0.0 && test.1 <= limit);
        row
    }
}

fn count(tests: &[(f64, f64)], holds: impl Fn(&(f64, f64)) -> bool) -> u32 {
    tests.iter().map(|test| u32::from(holds(test))).sum()
}

/// The statistic of Welch, positive when the second side is slower, and its p-value.
fn welch(sides: &[Samples; 2]) -> (f64, f64) {
    #[expect(clippy::cast_precision_loss, reason = "there are few")]
    let of = |samples: &Samples| {
        let count = samples.count() as f64;
        let sorted = Sorted::new(samples.values())?;
        let error = sorted.standard_deviation().powi(2) / count;
        Some((sorted.mean(), error, error * error / (count - 1.0)))
    };
    let (Some(first), Some(second)) = (of(&sides[0]), of(&sides[1])) else {
        return (0.0, 1.0);
    };
    let squares = first.1 + second.1;
    let statistic = (second.0 - first.0) / squares.sqrt();
    let degrees = squares * squares / (first.2 + second.2);
    (statistic, distributions::student_beyond(statistic, degrees))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_is_that_of_welch() {
        let side = |values: &[f64]| Samples::of_invocations(values).expect("finite");
        // scipy.stats.ttest_ind(second, first, equal_var=False), SciPy 1.16.3.
        let first = side(&[1.0, 2.0, 3.0, 4.0]);
        let second = side(&[2.5, 3.5, 6.0]);
        let (statistic, p_value) = welch(&[first, second]);
        assert!((statistic - STATISTIC).abs() < 1e-9, "{statistic}");
        assert!((p_value - P_VALUE).abs() < 1e-9, "{p_value}");
    }

    const STATISTIC: f64 = 1.224_744_871_391_589_2;
    const P_VALUE: f64 = 0.296_851_600_671_721_8;
}
