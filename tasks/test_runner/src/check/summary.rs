//! The table at the end of `all` and its last line.

use std::fmt::Write as _;
use std::time::Duration;

use super::verdict::{Counts, Outcome, Verdict};
use crate::table::Table;

/// A step that is over.
#[derive(Debug, Clone)]
pub(crate) struct Finished {
    pub(crate) name: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) took: Duration,
}

/// The table of the steps, then what they remarked, then the sum of all checks as the last line.
pub(crate) fn render(steps: &[Finished]) -> String {
    let mut table = Table::new(["step", "result", "checks", "time", "why"]);
    let mut sum = Counts::default();
    let mut remarks = String::new();
    for step in steps {
        let counts = step.verdict.counts();
        sum += counts;
        let (result, why) = match step.verdict.outcome() {
            Outcome::Passed => ("passed", ""),
            Outcome::Failed(why) => ("FAILED", why.as_str()),
            Outcome::Skipped(why) => ("skipped", why.as_str()),
        };
        table.row([
            step.name.to_owned(),
            result.to_owned(),
            (counts.passed + counts.failed).to_string(),
            duration(step.took),
            why.lines().next().unwrap_or_default().to_owned(),
        ]);
        for remark in step.verdict.remarks() {
            let _ = writeln!(remarks, "{}: {remark}", step.name);
        }
    }
    if !remarks.is_empty() {
        remarks.push('\n');
    }
    let Counts {
        passed,
        failed,
        skipped,
    } = sum;
    format!(
        "{}\n{remarks}{passed} passed, {failed} failed, {skipped} skipped\n",
        table.render()
    )
}

/// Whether nothing failed.
pub(crate) fn succeeded(steps: &[Finished]) -> bool {
    steps.iter().all(|step| step.verdict.counts().failed == 0)
}

/// A length of time for people.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 100 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(name: &'static str, verdict: Verdict, milliseconds: u64) -> Finished {
        Finished {
            name,
            verdict,
            took: Duration::from_millis(milliseconds),
        }
    }

    #[test]
    fn the_sum_is_the_last_line() {
        let tests = Verdict::of_many(
            false,
            Counts {
                passed: 411,
                failed: 1,
                skipped: 2,
            },
            "1 test failed",
        )
        .with_remarks(vec!["2 skipped: not root".to_owned()]);
        let steps = [
            step("format", Verdict::passed(), 812),
            step("tests", tests, 125_000),
            step("fuzz", Verdict::skipped("no nightly toolchain"), 40),
            step(
                "microVMs",
                Verdict::failed("no kernel\nmore about it"),
                99_500,
            ),
        ];
        insta::assert_snapshot!(render(&steps), @r"
        step      result   checks        time  why
        format    passed        1       0.8 s
        tests     FAILED      412  2 min 05 s  1 test failed
        fuzz      skipped       0       0.0 s  no nightly toolchain
        microVMs  FAILED        1      99.5 s  no kernel

        tests: 2 skipped: not root

        412 passed, 2 failed, 3 skipped
        ");
        assert!(!succeeded(&steps));
    }

    #[test]
    fn skipped_steps_do_not_fail_the_whole() {
        let steps = [
            step("format", Verdict::passed(), 1),
            step("fuzz", Verdict::skipped("why"), 1),
        ];
        assert!(succeeded(&steps));
        assert!(render(&steps).ends_with("\n1 passed, 0 failed, 1 skipped\n"));
    }
}
