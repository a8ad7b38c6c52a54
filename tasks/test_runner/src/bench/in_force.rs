//! What a run did to the host, in a few lines.

use std::fmt::Write as _;

use crate::report::{Host, Knob};

/// Lines of a Markdown list.
pub(crate) fn describe(host: &Host) -> String {
    let mut text = String::new();
    let names = |outcomes: &[&str]| {
        let those = |knob: &&Knob| outcomes.contains(&knob.outcome.as_str());
        let knobs = host.tuning.knobs.iter().filter(those);
        knobs.map(said).collect::<Vec<_>>().join(", ")
    };
    for (what, outcomes) in [
        ("Tuned", &["tuned"][..]),
        ("As wanted already", &["as_wanted"]),
        ("This host has none", &["absent"]),
        ("Not possible here", &["unavailable", "refused"]),
        ("Left alone", &["kept", "untouched"]),
    ] {
        let names = names(outcomes);
        if !names.is_empty() {
            let _ = writeln!(text, "- {what}: {names}.");
        }
    }
    if let Some(reason) = &host.tuning.reason {
        let _ = writeln!(text, "- Tuned by {}: {reason}.", host.tuning.tuned_by);
    }
    let layout = &host.cpu_layout;
    let of = |value: &Option<String>| value.clone().unwrap_or_else(|| "any".to_owned());
    let partition = match (&layout.partition, &layout.partition_reason) {
        (Some(kind), _) => format!("in a cpuset partition ({kind})"),
        (None, Some(reason)) => format!("no cpuset partition: {reason}"),
        (None, None) => "no cpuset partition".to_owned(),
    };
    let precedence = match (layout.precedence, &layout.precedence_reason) {
        (Some(times), _) => format!("; {times} times the weight of other programs"),
        (None, Some(reason)) => format!("; no precedence: {reason}"),
        (None, None) => String::new(),
    };
    let _ = writeln!(
        text,
        "- CPUs: benchmark {}, the runner {}; {partition}{precedence}.",
        of(&layout.benchmark),
        of(&layout.housekeeping)
    );
    text
}

/// A knob, with what there is to say of it.
fn said(knob: &Knob) -> String {
    match &knob.reason {
        Some(reason) => format!("{} ({reason})", knob.name),
        None => knob.name.clone(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::{CpuLayout, Tuning};

    /// A virtual machine with two CPUs.
    pub(in super::super) fn host() -> Host {
        let knob = |(name, outcome, reason): (&str, &str, Option<&str>)| Knob {
            name: name.to_owned(),
            outcome: outcome.to_owned(),
            reason: reason.map(str::to_owned),
        };
        Host {
            tuning: Tuning {
                tuned_by: "run".to_owned(),
                reason: None,
                knobs: [
                    ("irqs", "tuned", None),
                    ("aslr", "tuned", None),
                    ("ksm", "as_wanted", None),
                    ("smt", "absent", Some("no second threads")),
                    ("turbo", "unavailable", Some("no frequencies here")),
                    ("page-cache", "kept", None),
                ]
                .map(knob)
                .into(),
            },
            cpu_layout: CpuLayout {
                pinned: true,
                reason: None,
                benchmark: Some("1".to_owned()),
                housekeeping: Some("0".to_owned()),
                partition: None,
                partition_reason: Some("there is no cpuset controller".to_owned()),
                precedence: Some(256),
                precedence_reason: None,
            },
        }
    }

    #[test]
    fn each_knob_is_in_its_place() {
        insta::assert_snapshot!(describe(&host()), @r"
        - Tuned: irqs, aslr.
        - As wanted already: ksm.
        - This host has none: smt (no second threads).
        - Not possible here: turbo (no frequencies here).
        - Left alone: page-cache.
        - CPUs: benchmark 1, the runner 0; no cpuset partition: there is no cpuset controller; 256 times the weight of other programs.
        ");
    }

    #[test]
    fn a_host_that_was_left_alone_says_why() {
        let mut host = host();
        host.tuning.knobs.clear();
        host.tuning.tuned_by = "nobody".to_owned();
        host.tuning.reason = Some("it needs root".to_owned());
        host.cpu_layout.partition = Some("isolated".to_owned());
        host.cpu_layout.precedence = None;
        insta::assert_snapshot!(describe(&host), @r"
        - Tuned by nobody: it needs root.
        - CPUs: benchmark 1, the runner 0; in a cpuset partition (isolated).
        ");
    }
}
