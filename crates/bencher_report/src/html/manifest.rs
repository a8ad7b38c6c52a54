//! Where it ran, and how to run it again.

use bencher_runner::machine::ClockKind;

use crate::comparison::{Comparison, Side, facts_of};
use crate::date::date;
use crate::reproduce::comparison_words;
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
    let words = comparison_words(comparison);
    format!(
        "<section>\n<h2>How to run it again</h2>\n<pre><code>runner {}</code></pre>\n<p class=\"note\">Images that \
         are no names in a registry have to be those with the digests above, and a guest's kernel has to \
         be in the cache. Options that are not in a result, such as the values of environment variables, \
         are to be given again.</p>\n</section>\n",
        escape(&shell_line(&words))
    )
}
