//! Jobs in a table that is no wider than what it is shown on.

use bencher_report::text::table;
use bencher_server_api::Job;
use jiff::Timestamp;

use crate::client::printable;

/// What the columns that hold no names take at most: an identifier, the longest state with its mark, an age, a
/// time, and two spaces between each of all seven columns and the next.
const FIXED: usize = 36 + 19 + 4 + 6 + 2 * 6;
/// The least that a name is cut to.
const LEAST: usize = 8;

/// The jobs, for somebody who looks at them `now`, in lines of `width` characters.
pub(crate) fn listing(jobs: &[Job], now: Timestamp, width: usize) -> String {
    let most = (width.saturating_sub(FIXED) / 3).max(LEAST);
    let name = |name: String| cut(&printable(&name), most);
    let rows = jobs.iter().map(|job| {
        [
            printable(&job.id),
            printable(&state(job)),
            name(project(job)),
            name(spec(job)),
            name(runner(job).unwrap_or_default()),
            ago(&job.created, now),
            took(job, now).unwrap_or_default(),
        ]
    });
    let titles = ["JOB", "STATE", "PROJECT", "SPEC", "RUNNER", "AGE", "TOOK"];
    table(titles, &["AGE", "TOOK"], rows)
}

/// The job's state, and whether something speaks against the numbers of some iterations.
fn state(job: &Job) -> String {
    let measured = job.measured.as_ref();
    let is_suspect = measured.is_some_and(|measured| measured.suspect_iterations > 0);
    let mark = if is_suspect { " (suspect)" } else { "" };
    format!("{}{mark}", job.state)
}

/// What is known of one thing, a line for each fact that is known.
pub(crate) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> String {
    facts
        .into_iter()
        .filter_map(|(name, value)| {
            Some(format!("{:<12} {}\n", printable(name), printable(&value?)))
        })
        .collect()
}

/// What the job's project is called.
pub(crate) fn project(job: &Job) -> String {
    job.project_slug.as_ref().unwrap_or(&job.project).clone()
}

/// What the job's spec is called.
pub(crate) fn spec(job: &Job) -> String {
    job.spec_slug.as_ref().unwrap_or(&job.spec).clone()
}

/// What the job's runner is called, if it has or had one.
pub(crate) fn runner(job: &Job) -> Option<String> {
    job.runner_slug.clone().or_else(|| job.runner.clone())
}

/// How long a runner has or had the job.
pub(crate) fn took(job: &Job, now: Timestamp) -> Option<String> {
    let end = match &job.ended {
        Some(ended) => ended.parse().ok()?,
        None => now,
    };
    Some(length(since(job.claimed.as_ref()?, end)?))
}

/// Milliseconds from `start` to `end`. Clocks of two machines differ.
fn since(start: &str, end: Timestamp) -> Option<u64> {
    let start: Timestamp = start.parse().ok()?;
    let milliseconds = end.as_millisecond() - start.as_millisecond();
    Some(milliseconds.try_into().unwrap_or(0))
}

/// How long ago `moment` is, if that can be told.
pub(crate) fn ago(moment: &str, now: Timestamp) -> String {
    since(moment, now).map(age).unwrap_or_default()
}

/// How long ago, in four characters as long as that is less than 27 years.
fn age(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7200 => format!("{}m", seconds / 60),
        seconds @ 7200..172_800 => format!("{}h", seconds / 3600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

/// A length of time, in six characters as long as that is less than 100 hours.
fn length(milliseconds: u64) -> String {
    match milliseconds / 1000 {
        seconds @ 0..60 => format!("{seconds}.{}s", milliseconds % 1000 / 100),
        seconds @ 60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h{:02}m", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The text, or its beginning where it is longer than `most` characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let beginning: String = text.chars().take(most.saturating_sub(1)).collect();
    beginning + "…"
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-30T12:00:00Z";

    fn job(fields: &serde_json::Value) -> Job {
        let mut job = json!({
            "id": "01a22910-5555-7000-8000-00000000000a", "project": "01a22910", "spec": "01a22911",
            "state": "pending", "priority": 0, "timeout": 1, "config": {},
            "created": "2026-11-30T11:59:30.5Z",
        });
        for (name, value) in fields.as_object().expect("fields") {
            job[name] = value.clone();
        }
        serde_json::from_value(job).expect("a job")
    }

    #[test]
    fn jobs_are_in_a_table() {
        let long = "a-name-that-is-much-longer-than-others";
        let jobs = [
            job(&json!({})),
            job(&json!({
                "state": "processed", "project_slug": "p", "spec_slug": "intel", "runner_slug": "lab-1",
                "runner": "01a22912", "created": "2026-11-28T00:00:00Z",
                "claimed": "2026-11-30T10:00:00Z", "ended": "2026-11-30T10:12:03.250Z",
            })),
            job(&json!({
                "state": "running", "project_slug": long, "spec_slug": long, "runner_slug": long,
                "created": "2026-11-30T11:00:00Z", "claimed": "2026-11-30T11:59:58.500Z",
            })),
            job(&json!({
                "state": "failed", "runner": "\u{1b}[2J", "created": "yesterday",
                "claimed": "2026-11-26T08:01:00Z", "ended": NOW,
            })),
        ];
        let now = NOW.parse().expect("a moment");
        for width in [100, 140] {
            let text = listing(&jobs, now, width);
            insta::assert_snapshot!(format!("listing_{width}"), text);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{text}");
        }
    }

    #[test]
    fn facts_steer_no_terminal_and_are_left_out_where_there_are_none() {
        let text = facts([("name", Some("\u{1b}[2J".to_owned())), ("other", None)]);
        assert_eq!(text, "name         \\u{1b}[2J\n");
    }

    #[test]
    fn times_are_short() {
        for (milliseconds, as_age, as_length) in [
            (0, "0s", "0.0s"),
            (59_990, "59s", "59.9s"),
            (119_999, "119s", "1m59s"),
            (120_000, "2m", "2m00s"),
            (7_199_999, "119m", "1h59m"),
            (172_799_000, "47h", "47h59m"),
            (172_800_000, "2d", "48h00m"),
        ] {
            assert_eq!(age(milliseconds), as_age);
            assert_eq!(length(milliseconds), as_length);
        }
    }
}
