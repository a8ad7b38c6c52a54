//! Comparisons as people read them.

use bencher_report::text::{shell_line, table};
use bencher_server_api::{Comparison, ComparisonSide, Job, Waiting};
use jiff::Timestamp;

use super::jobs::{letter, runs, side};
use crate::client::{is_over, printable};
use crate::listing::{ago, cut, facts};

/// What the columns that hold no names take at most: an identifier, a state, numbers of jobs, an age, and two
/// spaces between each of all seven columns and the next.
const FIXED: usize = 36 + 8 + 7 + 4 + 2 * 6;
/// The least that a name is cut to.
const LEAST: usize = 8;

/// The comparisons, for somebody who looks at them `now`, in lines of `width` characters.
pub(super) fn listing(comparisons: &[Comparison], now: Timestamp, width: usize) -> String {
    let most = (width.saturating_sub(FIXED) / 3).max(LEAST);
    let name = |name: &str| cut(&printable(name), most);
    let rows = comparisons.iter().map(|comparison| {
        let over = count(comparison, is_over);
        let all = count(comparison, |_| true);
        [
            printable(&comparison.id),
            state(comparison).to_owned(),
            format!("{over}/{all}"),
            name(project(comparison)),
            name(spec(comparison)),
            name(runner(comparison).unwrap_or_default()),
            ago(&comparison.created, now),
        ]
    });
    let titles = [
        "COMPARISON",
        "STATE",
        "JOBS",
        "PROJECT",
        "SPEC",
        "RUNNER",
        "AGE",
    ];
    table(titles, &["JOBS", "AGE"], rows)
}

fn project(comparison: &Comparison) -> &str {
    let slug = comparison.project_slug.as_ref();
    slug.unwrap_or(&comparison.project)
}

fn spec(comparison: &Comparison) -> &str {
    let slug = comparison.spec_slug.as_ref();
    slug.unwrap_or(&comparison.spec)
}

fn runner(comparison: &Comparison) -> Option<&str> {
    let slug = comparison.runner_slug.as_ref();
    slug.or(comparison.runner.as_ref()).map(String::as_str)
}

fn count(comparison: &Comparison, is_meant: impl Fn(&str) -> bool) -> u64 {
    let jobs = comparison.sides.iter().flat_map(|side| &side.jobs);
    let meant = jobs.filter(|(state, _)| is_meant(state));
    meant.map(|(_, count)| u64::from(*count)).sum()
}

/// Where the whole of it stands.
pub(super) fn state(comparison: &Comparison) -> &'static str {
    let has = |states: &[&str]| count(comparison, |state| states.contains(&state)) > 0;
    let waits = has(&["pending"]);
    let is_at_work = has(&["claimed", "running"]);
    let has_ended = count(comparison, is_over) > 0;
    match (is_at_work || waits && has_ended, waits) {
        (true, _) => "running",
        (false, true) => "pending",
        (false, false) if has(&["canceled"]) => "canceled",
        (false, false) if has(&["failed"]) => "failed",
        (false, false) => "ended",
    }
}

/// All that is known of one, whose jobs these are, and which waits for this.
pub(super) fn description(
    comparison: &Comparison,
    jobs: &[Job],
    waiting: Option<&Waiting>,
) -> String {
    let sides = (0..).zip(&comparison.sides);
    let one = |(number, of_side): (u32, &ComparisonSide)| {
        let what = jobs.iter().find(|job| side(job) == number).map(what);
        let what = format!("{}; {}", what.unwrap_or_default(), states(of_side));
        (letter(number), what)
    };
    let sides: Vec<_> = sides.map(one).collect();
    let sides = sides
        .iter()
        .map(|(letter, what)| (letter.as_str(), Some(what.clone())));
    let first = [
        ("comparison", Some(comparison.id.clone())),
        ("state", Some(state(comparison).to_owned())),
    ];
    let last = [
        ("project", Some(project(comparison).to_owned())),
        ("spec", Some(spec(comparison).to_owned())),
        ("runner", runner(comparison).map(str::to_owned)),
        (
            "waits",
            waiting.map(|waiting| waiting.reason(spec(comparison))),
        ),
        ("submitted", Some(comparison.created.clone())),
        ("ended", comparison.ended.clone()),
    ];
    facts(first.into_iter().chain(sides).chain(last))
}

/// What a job runs, in words.
pub(super) fn what(job: &Job) -> String {
    let (image, command) = runs(job);
    if command.is_empty() {
        image
    } else {
        format!("{image}: {}", shell_line(&command))
    }
}

fn states(side: &ComparisonSide) -> String {
    let states = side.jobs.iter();
    let states: Vec<_> = states
        .map(|(state, count)| format!("{count} {state}"))
        .collect();
    states.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn comparison(slug: &str, sides: &serde_json::Value) -> Comparison {
        serde_json::from_value(json!({
            "id": "01a22910-5555-7000-8000-00000000000a", "project": "01a22910", "spec": "01a22911",
            "project_slug": slug, "spec_slug": slug, "created": "2026-11-30T11:00:00Z",
            "sides": [{"jobs": sides}, {"jobs": {"pending": 1}}],
        }))
        .expect("a comparison")
    }

    fn job(side: u32, config: &serde_json::Value) -> Job {
        serde_json::from_value(json!({
            "id": "j", "project": "p", "spec": "s", "state": "pending", "priority": 0, "timeout": 1,
            "config": config, "created": "c", "comparison": {"comparison": "c", "side": side, "position": side},
        }))
        .expect("a job")
    }

    #[test]
    fn comparisons_are_in_a_table_and_steer_no_terminal() {
        let comparisons = [
            comparison("p", &json!({"pending": 10})),
            comparison(
                "a-name-that-is-much-longer-than-others",
                &json!({"running": 1, "completed": 9}),
            ),
            comparison("\u{1b}[2J", &json!({"processed": 128, "\u{1b}[2J": 1})),
        ];
        let now = "2026-11-30T12:00:00Z".parse().expect("a moment");
        let text = listing(&comparisons, now, 100);
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{text}");
        let first = job(
            0,
            &json!({"image": "r.example/p:1", "cmd": ["bench", "a b"]}),
        );
        let waiting = json!({"runners": 0, "connected": 0, "ahead": 0, "project_is_full": false});
        let waiting: Waiting = serde_json::from_value(waiting).expect("why it waits");
        let second = job(1, &json!({"digest": "\u{202e}"}));
        let shown = description(&comparisons[2], &[first, second], Some(&waiting));
        insta::assert_snapshot!(text + "\n" + &shown);
    }

    #[test]
    fn states_of_the_whole() {
        for (first, second, expected) in [
            (json!({"pending": 1}), json!({"pending": 1}), "pending"),
            (json!({"claimed": 1}), json!({"pending": 1}), "running"),
            (json!({"completed": 1}), json!({"pending": 1}), "running"),
            (json!({"completed": 1}), json!({"processed": 1}), "ended"),
            (json!({"completed": 1}), json!({"failed": 1}), "failed"),
            (json!({"canceled": 1}), json!({"failed": 1}), "canceled"),
        ] {
            let mut found = comparison("p", &first);
            found.sides[1].jobs = serde_json::from_value(second).expect("numbers");
            assert_eq!(state(&found), expected, "{found:?}");
        }
    }
}
