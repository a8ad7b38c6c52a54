//! Whether numbers can be trusted, in words.

use bencher_server_api::{Measured, MeasuredMachine};
use maud::{Markup, html};

use crate::store::Described;

/// What a job's runner says of how it was measured, at a glance.
pub(super) fn measured(described: &Described) -> Option<Measured> {
    serde_json::from_str(described.measured.as_ref()?).ok()
}

/// Whether the job's numbers can be trusted, and where all that is known of that is: at `evidence`.
pub(super) fn section(measured: &Measured, evidence: &str) -> Markup {
    html! {
        section aria-labelledby="trust" {
            h2 #trust { "Trust" }
            (doubts(std::slice::from_ref(measured)))
            p.hint {
                (machine(&measured.machine)) ". "
                a href=(evidence) download="result.json" { "How it was measured (JSON)" }
                ", for " code { "runner compare" } " too."
            }
        }
    }
}

/// What speaks against the numbers of these jobs.
pub(super) fn doubts(jobs: &[Measured]) -> Markup {
    let suspects: u64 = jobs.iter().map(|it| u64::from(it.suspect_iterations)).sum();
    let reasons = once(jobs.iter().flat_map(|it| &it.reasons));
    let suspicions = once(jobs.iter().flat_map(|it| &it.suspicions));
    html! {
        @if !reasons.is_empty() {
            p.problem.doubt {
                "These times can not be compared with those of other machines: " (reasons.join("; ")) "."
            }
        }
        @if suspects > 0 {
            p.problem.doubt {
                @if suspects == 1 { "1 iteration is suspect" } @else { (suspects) " iterations are suspect" }
                ", since the host was not quiet: " (suspicions.join("; ")) "."
            }
        }
        @if reasons.is_empty() && suspects == 0 {
            p { "Nothing was seen that speaks against these numbers." }
        }
    }
}

/// A mark for a job in a list, where something speaks against its numbers.
pub(super) fn mark(measured: &Measured) -> Markup {
    html! {
        @if measured.suspect_iterations > 0 {
            " " span.badge.doubt title="the host was not quiet in some iterations" { "suspect" }
        }
        @if !measured.comparable {
            " " span.badge.doubt title=(measured.reasons.join("; ")) { "not comparable" }
        }
    }
}

fn machine(machine: &MeasuredMachine) -> String {
    let sandbox = match machine.sandbox.as_deref() {
        Some("none") => "On the host's own kernel".to_owned(),
        Some("firecracker") => "In a microVM of Firecracker".to_owned(),
        Some("qemu") => "In a microVM of QEMU".to_owned(),
        Some(other) => format!("In a machine of the kind {other}"),
        None => "In a machine that is not known".to_owned(),
    };
    let accelerator = match machine.accelerator.as_deref() {
        Some("kvm") => " with KVM",
        Some("tcg") => ", emulated",
        _ => "",
    };
    let clock = match machine.clock.as_deref() {
        Some("virtual") => ", by a virtual clock",
        _ => "",
    };
    let cpu = machine.cpu_model.as_deref();
    let cpu = cpu.map_or_else(String::new, |cpu| format!(", on {cpu}"));
    format!("{sandbox}{accelerator}{clock}{cpu}")
}

/// Each of them once, as they came.
fn once<'a>(texts: impl Iterator<Item = &'a String>) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    for text in texts {
        if !found.contains(&text.as_str()) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(suspects: u32, reasons: &[&str]) -> Measured {
        Measured {
            comparable: reasons.is_empty(),
            reasons: reasons.iter().map(|&text| text.to_owned()).collect(),
            suspect_iterations: suspects,
            suspicions: vec!["<b>others</b>".to_owned(); usize::from(suspects > 0)],
            ..Measured::default()
        }
    }

    #[test]
    fn doubts_are_told_and_their_absence_is() {
        let text = |jobs: &[Measured]| doubts(jobs).into_string();
        let none = text(&[job(0, &[]), job(0, &[])]);
        assert_eq!(
            none,
            "<p>Nothing was seen that speaks against these numbers.</p>"
        );
        let some = text(&[job(1, &["emulated"]), job(2, &["emulated", "shared"])]);
        assert!(some.contains("machines: emulated; shared."), "{some}");
        assert!(some.contains("3 iterations are suspect"), "{some}");
        assert!(some.contains("quiet: &lt;b&gt;others&lt;/b&gt;."), "{some}");
        assert!(!some.contains("Nothing"), "{some}");
        assert!(text(&[job(1, &[])]).contains("1 iteration is suspect"));
        let marks = mark(&job(1, &["emulated"])).into_string();
        assert!(marks.contains("suspect") && marks.contains("not comparable"));
        assert_eq!(mark(&job(0, &[])).into_string(), "");
    }

    #[test]
    fn machines_have_names() {
        let of = |sandbox: &str, accelerator: &str, clock: &str| {
            let known = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            machine(&MeasuredMachine {
                sandbox: known(sandbox),
                accelerator: known(accelerator),
                clock: known(clock),
                cpu_model: Some("Some CPU".to_owned()),
            })
        };
        for (found, expected) in [
            (
                of("firecracker", "kvm", "wall"),
                "In a microVM of Firecracker with KVM, on Some CPU",
            ),
            (
                of("qemu", "tcg", "virtual"),
                "In a microVM of QEMU, emulated, by a virtual clock, on Some CPU",
            ),
            (
                of("none", "none", ""),
                "On the host's own kernel, on Some CPU",
            ),
            (
                of("new", "", ""),
                "In a machine of the kind new, on Some CPU",
            ),
            (
                of("", "", ""),
                "In a machine that is not known, on Some CPU",
            ),
        ] {
            assert_eq!(found, expected);
        }
    }
}
