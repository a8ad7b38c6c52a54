//! All outcomes together: the table for people, JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::backend::Backend;
use super::outcome::{Finished, Outcome};
use crate::check::Counts;
use crate::table::Table;

/// How many passed, failed and were skipped.
pub(crate) fn counts<'a>(finished: impl IntoIterator<Item = &'a Finished>) -> Counts {
    let mut counts = Counts::default();
    for one in finished {
        match one.outcome {
            Outcome::Passed => counts.passed += 1,
            Outcome::Failed(_) => counts.failed += 1,
            Outcome::Skipped(_) => counts.skipped += 1,
        }
    }
    counts
}

/// How often each reason to skip came, the most frequent first.
pub(crate) fn reasons<'a>(
    finished: impl IntoIterator<Item = &'a Finished>,
) -> Vec<(String, usize)> {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for one in finished {
        if let Outcome::Skipped(reason) = &one.outcome {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    let mut reasons: Vec<_> = reasons
        .into_iter()
        .map(|(reason, count)| (reason.to_owned(), count))
        .collect();
    reasons.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    reasons
}

fn by_backend(finished: &[Finished]) -> BTreeMap<Backend, Vec<&Finished>> {
    let mut groups: BTreeMap<Backend, Vec<&Finished>> = BTreeMap::new();
    for one in finished {
        groups.entry(one.backend).or_default().push(one);
    }
    groups
}

/// A table with a row for each backend, then why scenarios were skipped, then which failed.
pub(crate) fn summary(finished: &[Finished]) -> String {
    let mut table = Table::new(["backend", "passed", "failed", "skipped"]);
    let mut remarks = String::new();
    for (backend, group) in by_backend(finished) {
        let counts = counts(group.iter().copied());
        table.row([
            backend.name().to_owned(),
            counts.passed.to_string(),
            counts.failed.to_string(),
            counts.skipped.to_string(),
        ]);
        for (reason, count) in reasons(group.iter().copied()) {
            let _ = writeln!(remarks, "{}: {count} skipped: {reason}", backend.name());
        }
    }
    for one in finished {
        if matches!(one.outcome, Outcome::Failed(_)) {
            let _ = writeln!(remarks, "{}: FAILED: {}", one.backend.name(), one.name);
        }
    }
    format!("{}{remarks}", table.render())
}

/// Every outcome and the sums.
pub(crate) fn document(finished: &[Finished]) -> Value {
    let sums = |counts: Counts| {
        json!({
            "passed": counts.passed,
            "failed": counts.failed,
            "skipped": counts.skipped,
        })
    };
    let scenarios: Vec<_> = finished
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "backend": one.backend,
                "outcome": one.outcome.word().to_lowercase(),
                "reason": one.outcome.reason(),
                "seconds": one.took.as_secs_f64(),
                "commands": one.commands,
            })
        })
        .collect();
    let backends: BTreeMap<_, _> = by_backend(finished)
        .into_iter()
        .map(|(backend, group)| (backend.name(), sums(counts(group))))
        .collect();
    json!({
        "total": sums(counts(finished)),
        "backends": backends,
        "scenarios": scenarios,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::time::Duration;

    use super::*;

    /// Three outcomes on two backends.
    pub(crate) fn samples() -> Vec<Finished> {
        let one = |name, backend, outcome| Finished {
            name,
            backend,
            outcome,
            took: Duration::from_millis(2345),
            commands: vec!["runner run".to_owned()],
        };
        let skipped = || Outcome::Skipped("no KVM".to_owned());
        vec![
            one("first", Backend::QemuTcg, Outcome::Passed),
            one(
                "first",
                Backend::Host,
                Outcome::Failed("stdout: expected \"<\\n\", got \"\u{1}\"".to_owned()),
            ),
            one("second", Backend::QemuTcg, skipped()),
            one("third", Backend::QemuTcg, skipped()),
        ]
    }

    #[test]
    fn a_person_reads_a_table_and_why() {
        insta::assert_snapshot!(summary(&samples()), @r"
        backend   passed  failed  skipped
        qemu-tcg       1       0        2
        host           0       1        0
        qemu-tcg: 2 skipped: no KVM
        host: FAILED: first
        ");
    }

    #[test]
    fn a_line_says_it_all() {
        let samples = samples();
        assert_eq!(
            samples[2].line(),
            "second                             qemu-tcg    skipped    2.3 s  no KVM"
        );
        assert!(samples[0].details().is_empty());
        assert_eq!(samples[1].details().len(), 2);
    }

    #[test]
    fn a_program_reads_every_outcome() {
        let document = document(&samples());
        assert_eq!(
            document["total"],
            json!({"passed": 1, "failed": 1, "skipped": 2})
        );
        assert_eq!(document["backends"]["host"]["failed"], 1);
        assert_eq!(document["scenarios"][1]["outcome"], "failed");
        assert_eq!(document["scenarios"][2]["reason"], "no KVM");
        assert_eq!(document["scenarios"][0]["reason"], Value::Null);
    }
}
