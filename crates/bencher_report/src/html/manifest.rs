//! Where it ran, and how to run it again.

use bencher_runner::machine::ClockKind;

use crate::comparison::{Comparison, Side, facts_of};
use crate::date::date;
use crate::reproduce::{WITHOUT_VALUE, comparison_words};
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
    let mut rows = vec![
        (
            "run at".to_owned(),
            format!("{} UTC", date(side.started_at)),
        ),
        ("result".to_owned(), side.file.clone().unwrap_or_default()),
    ];
    let Some(setup) = &side.setup else {
        return rows;
    };
    let (image, command) = (&setup.image, &setup.command);
    let is_virtual = setup.machine.description.clock == ClockKind::Virtual;
    rows.extend([
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
    ]);
    rows.extend(facts_of(setup, &side.host, is_virtual));
    rows
}

/// The command that runs it again, and what it needs; nothing where it is not known what ran.
pub(super) fn reproduce(comparison: &Comparison) -> String {
    let Some(words) = comparison_words(comparison) else {
        return String::new();
    };
    format!(
        "<section>\n<h2>How to run it again</h2>\n<pre><code>{}</code></pre>\n<p class=\"note\">Images that \
         are no names in a registry have to be those with the digests above, and a guest's kernel has to \
         be in the cache. Options that are not in a result, such as the values of environment variables, \
         are to be given again.</p>\n</section>\n",
        escape_lines(&lines(&words))
    )
}

/// A command in lines as a shell takes them: one for each option with its value, for each side, and for
/// what follows the options.
fn lines(words: &[String]) -> String {
    let mut lines = vec![vec!["runner".to_owned()]];
    let (mut wants_value, mut has_ended) = (false, false);
    for (place, word) in words.iter().enumerate() {
        let goes_on = place == 0 || wants_value || has_ended;
        match lines.last_mut() {
            Some(line) if goes_on => line.push(word.clone()),
            _ => lines.push(vec![word.clone()]),
        }
        wants_value = !has_ended
            && !wants_value
            && word.starts_with("--")
            && !WITHOUT_VALUE.contains(&word.as_str());
        has_ended |= word == "--";
    }
    let lines: Vec<_> = lines.iter().map(|line| shell_line(line)).collect();
    lines.join(" \\\n  ")
}

fn escape_lines(text: &str) -> String {
    text.lines().map(escape).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_option_has_a_line_with_its_value() {
        let words = [
            "compare",
            "--aslr",
            "--iter",
            "5",
            "--entrypoint",
            "",
            "a",
            "b",
            "--",
            "sh",
            "--x",
        ];
        assert_eq!(
            lines(&words.map(str::to_owned)),
            "runner compare \\\n  --aslr \\\n  --iter 5 \\\n  --entrypoint '' \\\n  a \\\n  b \\\n  -- sh --x"
        );
    }
}
