//! Where it ran, and how to run it again.

use bencher_runner::machine::ClockKind;
use bencher_runner::result::Metric;

use crate::comparison::{Arrangement, Comparison, Side, facts_of};
use crate::date::date;
use crate::text::{escape, shell_line};

/// What ran on which machines; what differs is marked.
pub(super) fn machines(comparison: &Comparison) -> String {
    let mut text = String::from(
        "<section>\n<h2>Machines</h2>\n<div class=\"wide\">\n<table>\n<thead><tr><th scope=\"col\"></th><th \
         scope=\"col\">A</th><th scope=\"col\">B</th></tr></thead>\n<tbody>\n",
    );
    let rows = [&comparison.baseline, &comparison.candidate].map(rows);
    let [of_baseline, of_candidate] = rows;
    for ((what, one), (_, other)) in of_baseline.iter().zip(&of_candidate) {
        if one.is_empty() && other.is_empty() {
            continue;
        }
        let class = if one == other {
            ""
        } else {
            " class=\"differs\""
        };
        text += &format!(
            "<tr{class}><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>\n",
            escape(what),
            escape(one),
            escape(other)
        );
    }
    text += "</tbody>\n</table>\n</div>\n";
    let knobs: Vec<_> = comparison
        .differences
        .iter()
        .filter(|difference| difference.what.starts_with("knob "))
        .collect();
    if !knobs.is_empty() {
        text += "<ul>\n";
        for knob in knobs {
            text += &format!(
                "<li>{} differs: {} and {}</li>\n",
                escape(&knob.what),
                escape(&knob.baseline),
                escape(&knob.candidate)
            );
        }
        text += "</ul>\n";
    }
    text += "</section>\n";
    text
}

fn rows(side: &Side) -> Vec<(String, String)> {
    let (image, command) = (&side.setup.image, &side.setup.command);
    let is_virtual = side.setup.machine.description.clock == ClockKind::Virtual;
    let mut rows = vec![
        (
            "run at".to_owned(),
            format!("{} UTC", date(side.started_at)),
        ),
        ("result".to_owned(), side.file.clone().unwrap_or_default()),
        ("image".to_owned(), image.reference.clone()),
        (
            "image digest".to_owned(),
            image
                .manifest_digest
                .clone()
                .unwrap_or_else(|| image.config_digest.clone()),
        ),
        ("command".to_owned(), shell_line(&command.arguments)),
        (
            "working directory".to_owned(),
            command.working_directory.clone(),
        ),
    ];
    rows.extend(facts_of(&side.setup, &side.host, is_virtual));
    rows
}

/// The command that runs it again, and what it needs.
pub(super) fn reproduce(comparison: &Comparison) -> String {
    let command = command(comparison);
    format!(
        "<section>\n<h2>How to run it again</h2>\n<pre><code>{}</code></pre>\n<p class=\"note\">The images are \
         those with the digests above. Options that are not in a result, such as the values of environment \
         variables, are to be given again.</p>\n</section>\n",
        escape_lines(&command)
    )
}

fn command(comparison: &Comparison) -> String {
    let (baseline, candidate) = (&comparison.baseline, &comparison.candidate);
    let metrics: Vec<_> = comparison
        .metrics
        .iter()
        .flat_map(|metric| ["--metric".to_owned(), metric.name.clone()])
        .collect();
    if let (Some(one), Some(other)) = (&baseline.file, &candidate.file) {
        let words = [&["runner".to_owned(), "compare".to_owned()][..], &metrics].concat();
        let files = [one.clone(), other.clone()];
        return shell_line(&[&words[..], &files].concat());
    }
    let mut words: Vec<String> = ["runner", "compare"].map(str::to_owned).to_vec();
    let mut option = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            words.extend([name.to_owned(), value]);
        }
    };
    let machine = &candidate.setup.machine;
    let name = |value: serde_json::Result<serde_json::Value>| {
        value
            .ok()
            .and_then(|value| value.as_str().map(str::to_owned))
    };
    let description = &machine.description;
    option("--sandbox", name(serde_json::to_value(description.sandbox)));
    if description.clock == ClockKind::Virtual {
        option("--clock", Some("virtual".to_owned()));
    }
    let in_bytes = |size: bencher_runner::units::ByteSize| format!("{}B", size.bytes());
    option("--vcpus", machine.vcpus.map(|vcpus| vcpus.to_string()));
    option("--memory", machine.memory_bytes.map(in_bytes));
    option("--disk", machine.disk_bytes.map(in_bytes));
    option("--iter", Some(candidate.iterations.to_string()));
    if candidate.warmups > 0 {
        option("--warmup", Some(candidate.warmups.to_string()));
    }
    if comparison.design.arrangement == Arrangement::Interleaved {
        option(
            "--seed",
            comparison.design.seed.map(|seed| seed.to_string()),
        );
    }
    let counted = [Metric::Instructions, Metric::Cycles].map(Metric::name);
    if comparison.metrics.iter().any(|metric| {
        counted.contains(&metric.name.as_str()) && description.clock == ClockKind::Wall
    }) {
        words.push("--perf-counters".to_owned());
    }
    let adapter =
        [candidate, baseline].map(|side| side.adapter.as_ref().filter(|_| side.file.is_none()));
    if let Some(adapter) = adapter.into_iter().flatten().next() {
        words.extend(["--adapter".to_owned(), adapter.clone()]);
    }
    words.extend(metrics);
    for side in [baseline, candidate] {
        words.push(
            side.file
                .clone()
                .unwrap_or_else(|| side.setup.image.reference.clone()),
        );
    }
    // The commands are whole: the images' entrypoints are in them.
    words.extend(["--entrypoint".to_owned(), String::new(), "--".to_owned()]);
    let fresh: Vec<_> = [baseline, candidate]
        .into_iter()
        .filter(|side| side.file.is_none())
        .map(|side| side.setup.command.arguments.as_slice())
        .collect();
    match fresh.as_slice() {
        [one, other] if one != other => {
            words.extend_from_slice(one);
            words.push("--vs".to_owned());
            words.extend_from_slice(other);
        }
        [one, ..] => words.extend_from_slice(one),
        [] => {}
    }
    shell_line(&words)
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::tests::everything;

    #[test]
    fn what_was_run_is_run_again_and_what_was_read_is_read_again() {
        let mut comparison = everything();
        comparison.candidate.setup.image.reference = "app:2".to_owned();
        comparison.candidate.adapter = Some("go=bench.txt".to_owned());
        comparison.candidate.setup.command.arguments = ["bench", "a b"].map(str::to_owned).to_vec();
        let metrics = "--metric wall --metric rss --metric minor-faults --metric cycles";
        assert_eq!(
            command(&comparison),
            format!(
                "runner compare --sandbox none --disk 1073741824B --iter 5 --seed 7 --perf-counters \
                 --adapter go=bench.txt {metrics} oci:images/busybox app:2 --entrypoint '' -- sh -c 'echo hello' --vs bench 'a b'"
            )
        );
        comparison.baseline.file = Some("old.json".to_owned());
        let mixed = command(&comparison);
        assert!(
            mixed.ends_with(" old.json app:2 --entrypoint '' -- bench 'a b'"),
            "{mixed}"
        );
        comparison.candidate.file = Some("new.json".to_owned());
        assert_eq!(
            command(&comparison),
            format!("runner compare {metrics} old.json new.json")
        );
    }
}
