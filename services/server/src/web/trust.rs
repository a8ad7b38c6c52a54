//! Whether numbers can be trusted, in words.

use std::collections::BTreeMap;

use bencher_server_api::{Measured, MeasuredMachine};
use maud::{Markup, html};

use crate::store::Described;

/// The most that is told of what speaks against numbers.
const MAX_KINDS: usize = 12;

/// What a job's runner says of how it was measured, at a glance.
pub(super) fn measured(described: &Described) -> Option<Measured> {
    serde_json::from_str(described.measured.as_ref()?).ok()
}

/// Whether the job's numbers can be trusted, and where all that is known of that is: at `evidence`, to be
/// saved as `name`.
pub(super) fn section(measured: &Measured, evidence: &str, name: &str) -> Markup {
    let doubts = Doubts::of([measured]);
    html! {
        section aria-labelledby="trust" {
            h2 #trust { "Trust" }
            @if let Some(reasons) = incomparable([measured]) {
                p.problem.doubt {
                    "These times can not be compared with those of other machines: " (reasons) "."
                }
            }
            (doubts.told())
            @if doubts.is_clear() && measured.comparable {
                p { "Nothing was seen that speaks against these numbers." }
            }
            p.hint {
                (machine(&measured.machine)) ". "
                a href=(evidence) download=(name) { "How it was measured (JSON)" }
                ", for " code { "runner compare" } " too."
            }
        }
    }
}

/// The same of a comparison: of each side what its jobs' runners say, and how many jobs there are.
pub(super) fn of_sides(sides: &BTreeMap<u32, (Vec<Measured>, usize)>) -> Markup {
    let all = || sides.values().flat_map(|(jobs, _)| jobs);
    let machines = once(all().map(|job| machine(&job.machine)));
    html! {
        @if let Some(reasons) = incomparable(all()) {
            p.problem.doubt {
                "The sides can be compared with each other, and not with what ran on other machines: "
                (reasons) "."
            }
        }
        @if machines.len() > 1 {
            p.problem {
                "The jobs did not all run in the same kind of machine, which is in the numbers as well: "
                (machines.join("; ")) "."
            }
        }
        @for (side, (jobs, count)) in sides {
            @let doubts = Doubts::of(jobs);
            @if jobs.len() < *count || !doubts.is_clear() {
                div.side {
                    p { strong { "Side " (side + 1) } }
                    @if jobs.len() < *count {
                        p.problem.doubt {
                            "Only " (jobs.len()) " of " (count) " jobs say how they were measured."
                        }
                    }
                    (doubts.told())
                }
            }
        }
    }
}

/// Why times can not be compared with those of other machines; nothing, where they can.
fn incomparable<'a>(jobs: impl IntoIterator<Item = &'a Measured>) -> Option<String> {
    let jobs = jobs.into_iter().filter(|job| !job.comparable);
    let mut reasons = Vec::new();
    for job in jobs {
        reasons.extend(job.reasons.iter().cloned());
        if job.reasons.is_empty() {
            reasons.push("their runner does not say why".to_owned());
        }
    }
    (!reasons.is_empty()).then(|| once(reasons.into_iter()).join("; "))
}

/// What speaks against the numbers of some jobs.
#[derive(Debug, Default)]
struct Doubts {
    suspects: u64,
    /// By kind: an example, and in how many iterations.
    kinds: BTreeMap<String, (String, u64)>,
    unjudged: u64,
    left_out: u64,
    /// Whether there are no numbers that count.
    is_empty: bool,
}

impl Doubts {
    fn of<'a>(jobs: impl IntoIterator<Item = &'a Measured>) -> Self {
        let mut doubts = Self {
            is_empty: true,
            ..Self::default()
        };
        for job in jobs {
            doubts.suspects += u64::from(job.suspect_iterations);
            doubts.unjudged += u64::from(job.unjudged_iterations);
            doubts.left_out += u64::from(job.iterations_left_out);
            doubts.is_empty &= job.iterations == 0;
            for suspicion in &job.suspicions {
                let (_, count) = doubts
                    .kinds
                    .entry(suspicion.kind.clone())
                    .or_insert_with(|| (suspicion.text.clone(), 0));
                *count += u64::from(suspicion.iterations);
            }
        }
        doubts
    }

    fn is_clear(&self) -> bool {
        self.suspects == 0 && self.unjudged == 0 && self.left_out == 0 && !self.is_empty
    }

    fn told(&self) -> Markup {
        let example = |(text, count): &(String, u64)| match count {
            1 => text.clone(),
            count => format!("{text} (and in {} more)", count - 1),
        };
        let kinds: Vec<_> = self.kinds.values().take(MAX_KINDS).map(example).collect();
        html! {
            @if self.suspects > 0 {
                p.problem.doubt {
                    (iterations(self.suspects, "is suspect", "are suspect"))
                    @if !kinds.is_empty() { ": " (kinds.join("; ")) }
                    "."
                }
            }
            @if self.unjudged > 0 {
                p.problem.doubt {
                    (iterations(self.unjudged, "counts", "count"))
                    " of which nobody knows what the host went through meanwhile."
                }
            }
            @if self.left_out > 0 {
                p.problem.doubt {
                    (iterations(self.left_out, "at the end is", "at the end are"))
                    " not in what is known here, nor in the runner's measures: there are too many to tell of."
                }
            }
            @if self.is_empty {
                p.problem.doubt { "There is no iteration that ended well, so there are no numbers that count." }
            }
        }
    }
}

fn iterations(count: u64, one: &str, many: &str) -> String {
    match count {
        1 => format!("1 iteration {one}"),
        count => format!("{count} iterations {many}"),
    }
}

/// A mark for a job in a list, where something speaks against its numbers.
pub(super) fn mark(measured: &Measured) -> Markup {
    html! {
        @if measured.suspect_iterations > 0 {
            " " span.badge.doubt title="something speaks against the numbers of some iterations" { "suspect" }
        }
        @if let Some(reasons) = incomparable([measured]) {
            " " span.badge.doubt title={ "not to be compared with other machines: " (reasons) } {
                "this machine only"
            }
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
    let vcpus = machine.vcpus.map(|count| match count {
        1 => "1 vCPU".to_owned(),
        count => format!("{count} vCPUs"),
    });
    let memory = machine
        .memory_bytes
        .map(|bytes| format!("{} MiB", bytes >> 20));
    let kernel = machine
        .kernel
        .as_ref()
        .map(|release| format!("Linux {release}"));
    let parts: Vec<_> = [vcpus, memory, kernel].into_iter().flatten().collect();
    let size = if parts.is_empty() {
        String::new()
    } else {
        format!(" ({})", parts.join(", "))
    };
    let cpu = machine.cpu_model.as_deref();
    let cpu = cpu.map_or_else(String::new, |cpu| format!(", on {cpu}"));
    format!("{sandbox}{accelerator}{clock}{size}{cpu}")
}

/// Each of them once, as they came.
fn once(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for text in texts {
        if found.len() < MAX_KINDS && !found.contains(&text) {
            found.push(text);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use bencher_server_api::Suspicion;

    use super::*;

    fn job(suspects: u32, reasons: &[&str]) -> Measured {
        let suspicion = |kind: &str| Suspicion {
            kind: kind.to_owned(),
            text: format!("<b>{kind}</b> took {suspects} %"),
            iterations: suspects,
        };
        let kinds = if suspects > 0 {
            &["steal", "others"][..]
        } else {
            &[]
        };
        Measured {
            comparable: reasons.is_empty(),
            reasons: reasons.iter().map(|&text| text.to_owned()).collect(),
            iterations: 5,
            suspect_iterations: suspects,
            suspicions: kinds.iter().copied().map(suspicion).collect(),
            ..Measured::default()
        }
    }

    fn of_job(measured: &Measured) -> String {
        section(measured, "/e", "e.json").into_string()
    }

    type Change = fn(&mut Measured);

    const CLEAR: &str = "Nothing was seen that speaks against these numbers.";

    #[test]
    fn only_what_was_looked_at_is_clear() {
        assert!(of_job(&job(0, &[])).contains(CLEAR));
        let doubtful: [(Change, &str); 6] = [
            (|it| it.iterations = 0, "no iteration that ended well"),
            (
                |it| it.unjudged_iterations = 1,
                "1 iteration counts of which nobody knows",
            ),
            (
                |it| it.iterations_left_out = 7,
                "7 iterations at the end are not in what is known",
            ),
            (
                |it| it.comparable = false,
                "machines: their runner does not say why.",
            ),
            (
                |it| *it = job(1, &[]),
                "1 iteration is suspect: &lt;b&gt;others&lt;/b&gt; took 1 %; ",
            ),
            (
                |it| *it = job(0, &["emulated"]),
                "those of other machines: emulated.",
            ),
        ];
        for (change, expected) in doubtful {
            let mut measured = job(0, &[]);
            change(&mut measured);
            let text = of_job(&measured);
            assert!(text.contains(expected), "{expected} is not in {text}");
            assert!(!text.contains(CLEAR), "{text}");
        }
    }

    #[test]
    fn each_side_of_a_comparison_has_its_own_doubts() {
        let text = |sides: [(Vec<Measured>, usize); 2]| {
            of_sides(&(0..).zip(sides).collect()).into_string()
        };
        assert_eq!(text([(vec![job(0, &[])], 1), (vec![job(0, &[])], 1)]), "");
        let found = text([
            (vec![job(0, &["emulated"])], 2),
            (vec![job(3, &["emulated"]), job(2, &[])], 2),
        ]);
        let (first, second) = found.split_once("Side 2").expect("it has doubts");
        assert!(first.contains("Only 1 of 2 jobs say how"), "{first}");
        assert!(!first.contains("suspect"), "{first}");
        // The numbers differ from iteration to iteration: one example of each kind is enough.
        assert!(second.contains("5 iterations are suspect: "), "{second}");
        assert_eq!(second.matches("took").count(), 2, "{second}");
        assert!(second.contains("took 3 % (and in 4 more)"), "{second}");
        assert_eq!(found.matches("emulated").count(), 1, "{found}");
        let mut other = job(0, &[]);
        other.machine.cpu_model = Some("another".to_owned());
        let found = text([(vec![job(0, &[])], 1), (vec![other], 1)]);
        assert!(found.contains("same kind of machine"), "{found}");
    }

    #[test]
    fn jobs_in_lists_have_marks() {
        let marks = mark(&job(1, &["emulated"])).into_string();
        assert!(
            marks.contains(">suspect<") && marks.contains(">this machine only<"),
            "{marks}"
        );
        assert_eq!(mark(&job(0, &[])).into_string(), "");
    }

    #[test]
    fn machines_have_names() {
        let of = |sandbox: &str, accelerator: &str, clock: &str| MeasuredMachine {
            sandbox: Some(sandbox.to_owned()),
            accelerator: Some(accelerator.to_owned()),
            clock: Some(clock.to_owned()),
            cpu_model: Some("Some CPU".to_owned()),
            ..MeasuredMachine::default()
        };
        let sized = MeasuredMachine {
            vcpus: Some(1),
            memory_bytes: Some(512 << 20),
            kernel: Some("6.1".to_owned()),
            ..of("firecracker", "kvm", "wall")
        };
        for (found, expected) in [
            (
                sized,
                "In a microVM of Firecracker with KVM (1 vCPU, 512 MiB, Linux 6.1), on Some CPU",
            ),
            (
                of("qemu", "tcg", "virtual"),
                "In a microVM of QEMU, emulated, by a virtual clock, on Some CPU",
            ),
            (
                of("none", "none", "wall"),
                "On the host's own kernel, on Some CPU",
            ),
            (
                of("new", "new", "new"),
                "In a machine of the kind new, on Some CPU",
            ),
            (MeasuredMachine::default(), "In a machine that is not known"),
        ] {
            assert_eq!(machine(&found), expected);
        }
    }
}
