//! Whether numbers can be trusted, on pages.

use std::collections::{BTreeMap, BTreeSet};

use bencher_server_api::{CLEAR, Doubts, Measured, MeasuredMachine};
use maud::{Markup, html};

use crate::store::Described;

/// How many kinds of machines are told at most.
const MAX_PLACES: usize = 12;

/// What a job's runner says of how it was measured, at a glance.
pub(super) fn measured(described: &Described) -> Option<Measured> {
    serde_json::from_str(described.measured.as_ref()?).ok()
}

/// Whether the job's numbers can be trusted, and where all that is known of that is: at `evidence`, to be
/// saved as `name`.
pub(super) fn section(measured: &Measured, evidence: &str, name: &str) -> Markup {
    let doubts = Doubts::of([measured]).all();
    html! {
        section aria-labelledby="trust" {
            h2 #trust { "Trust" }
            (told(&doubts))
            @if doubts.is_empty() { p { (sentence(CLEAR)) } }
            p.hint {
                "Machine: " (measured.machine.machine()) ". "
                @if let Some(host) = measured.machine.host() { "Host: " (host) ". " }
                a href=(evidence) download=(name) { "How it was measured (JSON)" }
                ", for " code { "runner compare" } " too."
            }
        }
    }
}

/// The same where nothing of it is known, though there are results: `strange` is what the runner told, where
/// it is of a layout that this server does not know, and under which name it is to be saved.
pub(super) fn unknown(strange: Option<(&str, &str)>) -> Markup {
    html! {
        section aria-labelledby="trust" {
            h2 #trust { "Trust" }
            p.problem.doubt { "Nobody knows here what speaks against these numbers." }
            p.hint {
                @if let Some((evidence, name)) = strange {
                    "This server does not know the layout of what the runner tells of it: "
                    a href=(evidence) download=(name) { "how it was measured (JSON)" } "."
                } @else {
                    "The runner did not tell how it measured: it is of a version that does not, or there was no \
                     room beside the results, of which its log has a line."
                }
            }
        }
    }
}

/// The same of a comparison: of each side what its jobs' runners say, and how many jobs there are.
pub(super) fn of_sides(sides: &BTreeMap<u32, (Vec<Measured>, usize)>) -> Markup {
    let all = || sides.values().flat_map(|(jobs, _)| jobs);
    let places: BTreeSet<_> = all().map(|job| place(&job.machine)).collect();
    html! {
        @if let Some(reasons) = Doubts::of(all()).incomparable() {
            p.problem.doubt {
                "The sides can be compared with each other, and not with what ran on other machines: "
                (reasons) "."
            }
        }
        @if places.len() > 1 {
            p.problem {
                "The jobs did not all run in the same kind of machine, which is in the numbers as well: "
                @for (number, place) in places.iter().take(MAX_PLACES).enumerate() {
                    @if number > 0 { "; " }
                    (place)
                }
                @if places.len() > MAX_PLACES { "; and " (places.len() - MAX_PLACES) " more" }
                "."
            }
        }
        @for (side, (jobs, count)) in sides {
            @let doubts = Doubts::of(jobs).of_numbers();
            @if jobs.len() < *count || !doubts.is_empty() {
                div.side {
                    p { strong { "Side " (side + 1) } }
                    @if jobs.len() < *count {
                        p.problem.doubt {
                            "Only " (jobs.len()) " of " (count) " jobs say how they were measured."
                        }
                    }
                    (told(&doubts))
                }
            }
        }
    }
}

fn told(doubts: &[String]) -> Markup {
    html! {
        @for doubt in doubts {
            p.problem.doubt { (sentence(doubt)) }
        }
    }
}

/// A sentence with its beginning and its end.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    let first: String = first.into_iter().flatten().collect();
    format!("{first}{}.", characters.as_str())
}

fn place(machine: &MeasuredMachine) -> String {
    let host = machine.host().map(|host| format!(" on {host}"));
    machine.machine() + &host.unwrap_or_default()
}

/// A mark for a job in a list, where something speaks against its numbers.
pub(super) fn mark(measured: &Measured) -> Markup {
    let doubts = Doubts::of([measured]);
    html! {
        @if doubts.is_suspect() {
            " " span.badge.doubt title="something speaks against the numbers of some iterations" { "suspect" }
        }
        @if let Some(reasons) = doubts.incomparable() {
            " " span.badge.doubt title={ "not to be compared with other machines: " (reasons) } {
                "this machine only"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bencher_server_api::Suspicion;

    use super::*;

    fn job(suspects: u32, reasons: &[&str]) -> Measured {
        let suspicion = Suspicion {
            kind: "others".to_owned(),
            text: format!("<b>others</b> took {suspects} %"),
            iterations: suspects,
        };
        Measured {
            comparable: reasons.is_empty(),
            reasons: reasons.iter().map(|&text| text.to_owned()).collect(),
            iterations: 5,
            suspect_iterations: suspects,
            suspicions: (suspects > 0).then_some(suspicion).into_iter().collect(),
            ..Measured::default()
        }
    }

    #[test]
    fn doubts_are_sentences_and_nothing_else() {
        let clear = section(&job(0, &[]), "/e", "e.json").into_string();
        let said = "Nothing was seen that speaks against these numbers.";
        assert!(clear.contains(said), "{clear}");
        let found = section(&job(2, &["emulated"]), "/e", "e.json").into_string();
        for expected in [
            ">The times can not be compared with those of other machines: emulated.<",
            ">2 iterations are suspect: &lt;b&gt;others&lt;/b&gt; took 2 % (and in 1 more).<",
            "Machine: a machine that is not known. <a href=\"/e\"",
        ] {
            assert!(found.contains(expected), "{expected} is not in {found}");
        }
        assert!(!found.contains(said), "{found}");
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
        assert!(second.contains("5 iterations are suspect: "), "{second}");
        assert_eq!(found.matches("emulated").count(), 1, "{found}");
        let found = text([(vec![job(0, &[])], 1), (Vec::new(), 5)]);
        assert!(
            found.contains("Only 0 of 5 jobs say how they were measured.</p></div>"),
            "{found}"
        );
        let mut other = job(0, &[]);
        other.machine.cpu_model = Some("another".to_owned());
        let found = text([(vec![job(0, &[])], 1), (vec![other], 1)]);
        assert!(
            found.contains("a machine that is not known; a machine that is not known on another."),
            "{found}"
        );
    }

    #[test]
    fn what_is_not_known_is_not_taken_for_clear() {
        for (strange, expected) in [
            (None, "The runner did not tell how it measured"),
            (
                Some(("/e", "e.json")),
                "<a href=\"/e\" download=\"e.json\">",
            ),
        ] {
            let found = unknown(strange).into_string();
            assert!(found.contains(expected), "{found}");
            assert!(found.contains("Nobody knows"), "{found}");
        }
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
}
