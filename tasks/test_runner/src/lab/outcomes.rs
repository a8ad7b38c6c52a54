//! What came of scenarios that ran one by one, put together as the suite itself would.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::check::Counts;
use crate::table::Table;

/// What the runner says of a guest that did not come to its command.
const NEVER_BEGAN: &str = "the guest did not start the command within";
/// What it says of a VMM that ended without an error before that, as one does whose guest is reset. There is nothing
/// in it that a scenario shows escaped.
const RESET: &str = "the machine ended before the command began (exit status: 0)";

/// One entry of a report. What this does not look at is kept as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Outcome {
    name: String,
    backend: String,
    /// `passed`, `failed` or `skipped`.
    #[serde(rename = "outcome")]
    word: String,
    reason: Option<String>,
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Outcome {
    /// One that this side decides.
    pub(crate) fn new(name: &str, backend: &str, word: &str, reason: Option<String>) -> Self {
        Self {
            name: name.to_owned(),
            backend: backend.to_owned(),
            word: word.to_owned(),
            reason,
            more: Map::new(),
        }
    }

    /// Whether it failed because a guest never came to its command. In a lab that is now and then
    /// the doing of the emulated processor, of whose guests about one in a hundred freezes while
    /// its kernel boots, or is reset. A runner at fault does it again.
    pub(crate) fn has_lost_guest(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        self.word == "failed"
            && [NEVER_BEGAN, RESET]
                .iter()
                .any(|words| reason.contains(words))
    }

    /// Name, backend, what came of it and how long it took; below that, why it failed and the
    /// commands that show it.
    pub(crate) fn line(&self) -> String {
        let mut line = format!("{:<34} {:<11} ", self.name, self.backend);
        match &self.reason {
            Some(reason) if self.word == "skipped" => {
                let _ = write!(line, "skipped  {reason}");
            }
            Some(reason) => {
                line.push_str("FAILED");
                let commands = self.more.get("commands").and_then(Value::as_array);
                let commands = commands.into_iter().flatten().filter_map(Value::as_str);
                let reason = reason.lines().map(str::to_owned);
                for below in reason.chain(commands.map(|command| format!("$ {command}"))) {
                    let _ = write!(line, "\n        {below}");
                }
            }
            None => line.push_str(&self.word),
        }
        if let Some(seconds) = self.more.get("seconds").and_then(Value::as_f64)
            && self.reason.is_none()
        {
            let _ = write!(line, " {seconds:>6.1} s");
        }
        line
    }
}

#[derive(Debug, Deserialize)]
struct Report {
    scenarios: Vec<Outcome>,
}

/// The only outcome of the report that `scenarios --report` wrote.
///
/// # Errors
///
/// When it is no such report, or holds another number of outcomes.
pub(crate) fn parse_report(text: &str) -> anyhow::Result<Outcome> {
    let report: Report = serde_json::from_str(text).context("the suite's report is unreadable")?;
    match <[Outcome; 1]>::try_from(report.scenarios) {
        Ok([one]) => Ok(one),
        Err(other) => bail!("the suite reported {} outcomes instead of one", other.len()),
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Outcomes {
    all: Vec<Outcome>,
    remarks: Vec<String>,
}

impl Outcomes {
    /// Adds one.
    pub(crate) fn add(&mut self, outcome: Outcome) {
        self.all.push(outcome);
    }

    /// Adds a line that people are shown.
    pub(crate) fn remark(&mut self, text: String) {
        self.remarks.push(text);
    }

    /// How many there are of each kind. What is neither passed nor skipped has failed.
    pub(crate) fn counts(&self) -> Counts {
        count(self.all.iter())
    }

    /// A line for each reason to skip on a backend, with how often it came.
    pub(crate) fn reasons(&self) -> Vec<String> {
        let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for one in self.all.iter().filter(|one| one.word == "skipped") {
            let reason = one.reason.as_deref().unwrap_or("no reason was given");
            *reasons.entry((&one.backend, reason)).or_default() += 1;
        }
        reasons
            .into_iter()
            .map(|((backend, reason), count)| format!("{backend}: {count} skipped: {reason}"))
            .collect()
    }

    fn by_backend(&self) -> BTreeMap<&str, Vec<&Outcome>> {
        let mut groups: BTreeMap<&str, Vec<&Outcome>> = BTreeMap::new();
        for one in &self.all {
            groups.entry(&one.backend).or_default().push(one);
        }
        groups
    }

    /// A table with a row for each backend, then why scenarios were skipped, then which failed.
    pub(crate) fn render(&self) -> String {
        let mut table = Table::new(["backend", "passed", "failed", "skipped"]);
        let mut remarks = String::new();
        for (backend, group) in self.by_backend() {
            let counts = count(group.iter().copied());
            table.row([
                backend.to_owned(),
                counts.passed.to_string(),
                counts.failed.to_string(),
                counts.skipped.to_string(),
            ]);
        }
        for line in self.reasons() {
            let _ = writeln!(remarks, "{line}");
        }
        for one in self.all.iter().filter(|one| has_failed(one)) {
            let _ = writeln!(remarks, "{}: FAILED: {}", one.backend, one.name);
        }
        for remark in &self.remarks {
            let _ = writeln!(remarks, "{remark}");
        }
        format!("{}{remarks}", table.render())
    }

    /// The report, in the form that the suite's own has.
    pub(crate) fn document(&self) -> Value {
        let sums = |counts: Counts| {
            json!({
                "passed": counts.passed,
                "failed": counts.failed,
                "skipped": counts.skipped,
            })
        };
        let backends: BTreeMap<_, _> = self
            .by_backend()
            .into_iter()
            .map(|(backend, group)| (backend, sums(count(group.into_iter()))))
            .collect();
        json!({
            "total": sums(self.counts()),
            "backends": backends,
            "scenarios": self.all,
        })
    }
}

fn has_failed(one: &Outcome) -> bool {
    !matches!(one.word.as_str(), "passed" | "skipped")
}

fn count<'a>(outcomes: impl Iterator<Item = &'a Outcome>) -> Counts {
    let mut counts = Counts::default();
    for one in outcomes {
        match one.word.as_str() {
            "passed" => counts.passed += 1,
            "skipped" => counts.skipped += 1,
            _ => counts.failed += 1,
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_guest_that_never_began_is_repeated() {
        let ended = |moment: &str, status: &str| {
            format!(
                "standard error was \"---BENCHER_METRICS:{{\\\"iteration\\\":1\"… (584 bytes)\nthe runner's error \
                 was: the machine ended before {moment} (exit status: {status}); the console ended with:"
            )
        };
        let reset = ended("the command began", "0");
        // A job of a runner that is up.
        let job = format!(
            "not begun once: expected [], got [{{\"begun\":1,\"outcome\":{{\"error\":\"{reset}\"}}}}]"
        );
        let boot = "exit of the runner: expected Code(0), got Code(125)\nstandard error was \
                    \"runner: error: the guest did not start the command within 60 s: give it\"";
        for (word, reason, expected) in [
            ("failed", boot, true),
            ("skipped", boot, false),
            ("failed", "standard output was \"\"", false),
            ("failed", &reset, true),
            ("failed", &job, true),
            // A guest that had begun, and a VMM that failed.
            (
                "failed",
                &ended("the command's result was complete", "0"),
                false,
            ),
            ("failed", &ended("the command began", "1"), false),
        ] {
            let outcome = Outcome::new("name", "firecracker", word, Some(reason.to_owned()));
            assert_eq!(outcome.has_lost_guest(), expected, "{word}: {reason}");
        }
        assert!(!Outcome::new("name", "firecracker", "passed", None).has_lost_guest());
    }

    fn samples() -> Outcomes {
        let text = r#"{"total": {}, "scenarios": [{"name": "first", "backend": "qemu-kvm",
            "outcome": "passed", "reason": null, "seconds": 2.5, "commands": ["runner run"]}]}"#;
        let mut outcomes = Outcomes::default();
        outcomes.add(parse_report(text).expect("it is a report"));
        for (name, outcome) in [
            ("second", "skipped"),
            ("third", "skipped"),
            ("fourth", "failed"),
        ] {
            let reason = Some("because".to_owned());
            outcomes.add(Outcome::new(name, "firecracker", outcome, reason));
        }
        outcomes
    }

    #[test]
    fn a_person_reads_a_table_and_why() {
        let mut outcomes = samples();
        outcomes.remark("the lab had to be booted again: 1×".to_owned());
        insta::assert_snapshot!(outcomes.render(), @r"
        backend      passed  failed  skipped
        firecracker       0       1        2
        qemu-kvm          1       0        0
        firecracker: 2 skipped: because
        firecracker: FAILED: fourth
        the lab had to be booted again: 1×
        ");
    }

    #[test]
    fn a_program_reads_everything_that_the_suite_said() {
        let document = samples().document();
        assert_eq!(
            document["total"],
            json!({"passed": 1, "failed": 1, "skipped": 2})
        );
        assert_eq!(document["backends"]["qemu-kvm"]["passed"], 1);
        assert_eq!(document["scenarios"][0]["commands"][0], "runner run");
        assert_eq!(document["scenarios"][3]["reason"], "because");
    }

    #[test]
    fn a_line_says_it_all() {
        let lines: Vec<_> = samples().all.iter().map(Outcome::line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        first                              qemu-kvm    passed    2.5 s
        second                             firecracker skipped  because
        third                              firecracker skipped  because
        fourth                             firecracker FAILED
                because
        ");
    }

    #[test]
    fn a_report_must_hold_one_outcome() {
        for wrong in ["", "{}", r#"{"scenarios": []}"#] {
            assert!(parse_report(wrong).is_err(), "{wrong}");
        }
    }
}
