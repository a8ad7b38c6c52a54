//! Counting tests in what their runners write.

use std::collections::BTreeMap;

use anyhow::Context as _;

use super::verdict::Counts;

/// What a test prints, at the beginning of a line and followed by the reason, when it can not
/// check anything on this machine. To the test runner it passed; here it counts as skipped.
const SKIPPED: &str = "skipped: ";

/// The tests of a `JUnit` report and the reasons of those that skipped, with how many gave each.
///
/// # Errors
///
/// When `report` is no such report.
pub(crate) fn junit(report: &str) -> anyhow::Result<(Counts, BTreeMap<String, u64>)> {
    let document = roxmltree::Document::parse(report).context("the report is no XML")?;
    let mut counts = Counts::default();
    let mut reasons = BTreeMap::new();
    let tests = document
        .descendants()
        .filter(|node| node.has_tag_name("testcase"));
    for test in tests {
        let has = |name| test.children().any(|child| child.has_tag_name(name));
        if has("failure") || has("error") {
            counts.failed += 1;
        } else if let Some(reason) = test.children().find_map(skip_reason) {
            counts.skipped += 1;
            *reasons.entry(reason).or_default() += 1;
        } else {
            counts.passed += 1;
        }
    }
    Ok((counts, reasons))
}

fn skip_reason(output: roxmltree::Node<'_, '_>) -> Option<String> {
    if output.has_tag_name("skipped") {
        return Some(output.attribute("message").unwrap_or("ignored").to_owned());
    }
    let printed = output.has_tag_name("system-out") || output.has_tag_name("system-err");
    output
        .text()
        .filter(|_| printed)?
        .lines()
        .find_map(|line| line.strip_prefix(SKIPPED))
        .map(str::to_owned)
}

/// What `cargo test -- --show-output` says, line by line.
#[derive(Debug, Default)]
pub(crate) struct Libtest {
    pub(crate) counts: Counts,
    /// Why tests skipped, with how many gave each reason.
    pub(crate) reasons: BTreeMap<String, u64>,
    /// Tests of the program that runs now which skipped: it counts them as passed.
    skipped_here: u64,
}

impl Libtest {
    /// Takes the next line into account.
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(reason) = line.strip_prefix(SKIPPED) {
            *self.reasons.entry(reason.to_owned()).or_default() += 1;
            self.skipped_here += 1;
            return;
        }
        let Some((_, numbers)) = line
            .strip_prefix("test result: ")
            .and_then(|result| result.split_once(". "))
        else {
            return;
        };
        for part in numbers.split("; ") {
            let Some((number, what)) = part.split_once(' ') else {
                continue;
            };
            let Ok(number) = number.parse::<u64>() else {
                continue;
            };
            match what {
                "passed" => {
                    let skipped = std::mem::take(&mut self.skipped_here).min(number);
                    self.counts.passed += number - skipped;
                    self.counts.skipped += skipped;
                }
                "failed" => self.counts.failed += number,
                "ignored" => self.counts.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_tells_passed_failed_and_skipped_tests_apart() {
        let report = r#"<?xml version="1.0" encoding="UTF-8"?>
            <testsuites name="run" tests="5" failures="1" errors="1">
              <testsuite name="a" tests="5">
                <testcase name="plain" classname="a" time="0.1"/>
                <testcase name="talks"><system-out>running 1 test
                  not skipped: indented
test talks ... ok</system-out></testcase>
                <testcase name="skips"><system-err>skipped: needs root &amp; loop devices
</system-err></testcase>
                <testcase name="again"><system-out>x
skipped: needs root &amp; loop devices</system-out></testcase>
                <testcase name="fails"><failure message="no"/><system-out>skipped: x</system-out></testcase>
                <testcase name="breaks"><error message="no"/></testcase>
              </testsuite>
            </testsuites>"#;
        let (counts, reasons) = junit(report).expect("it is a report");
        assert_eq!(
            counts,
            Counts {
                passed: 2,
                failed: 2,
                skipped: 2
            }
        );
        let reasons: Vec<_> = reasons.into_iter().collect();
        assert_eq!(reasons, [("needs root & loop devices".to_owned(), 2)]);
    }

    #[test]
    fn what_is_no_report_is_an_error() {
        assert!(junit("").is_err());
        assert!(junit("<testsuites>").is_err());
    }

    #[test]
    fn lines_of_cargo_test_add_up() {
        let mut libtest = Libtest::default();
        for line in [
            "running 4 tests",
            "---- some::test stdout ----",
            "skipped: needs root",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.20s",
            "test result: of a test that prints this",
            "9 passed; 9 failed",
        ] {
            libtest.line(line);
        }
        assert_eq!(
            libtest.counts,
            Counts {
                passed: 4,
                failed: 1,
                skipped: 2
            }
        );
        let reasons: Vec<_> = libtest.reasons.into_iter().collect();
        assert_eq!(reasons, [("needs root".to_owned(), 1)]);
    }
}
