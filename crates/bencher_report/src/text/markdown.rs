//! A comparison as Markdown, for reviews and job summaries.

use super::words::{self, Row, one_line};
use crate::comparison::{Comparison, Verdict};

/// The comparison as Markdown (GitHub's).
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = String::new();
    for (letter, side) in [("A", &comparison.baseline), ("B", &comparison.candidate)] {
        text += &format!("* **{letter}**: {}\n", escape(&words::side(side)));
    }
    text += "\n| metric | A | B | change | interval | p | verdict |\n";
    text += "|---|--:|--:|--:|--:|--:|---|\n";
    for metric in &comparison.metrics {
        let row = Row::of(metric);
        let sign = match metric.answer.map(|answer| answer.verdict) {
            Some(Verdict::Faster) => "🟢 ",
            Some(Verdict::Slower) => "🔴 ",
            Some(Verdict::TooNoisy) | None => "🟡 ",
            Some(Verdict::NoDifferenceSeen) => "",
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {sign}{} |\n",
            escape(&row.metric),
            escape(&row.baseline),
            escape(&row.candidate),
            escape(&row.change),
            escape(&row.interval),
            escape(&row.p_value),
            escape(&row.whole_verdict()),
        );
    }
    text += &format!(
        "\n{}.\n",
        escape(&words::capitalized(&words::method(comparison)))
    );
    let mut notes: Vec<String> = comparison
        .differences
        .iter()
        .map(|one| {
            format!(
                "{} differs: {} and {}",
                one.what, one.baseline, one.candidate
            )
        })
        .collect();
    notes.extend(comparison.warnings.iter().cloned());
    if !notes.is_empty() {
        text.push('\n');
    }
    for note in notes {
        text += &format!("* {}\n", escape(&note));
    }
    if let Some(gate) = &comparison.gate {
        text += &format!("\n**{}**\n", escape(&words::gate(gate)));
    }
    text
}

/// `text` with nothing in it that Markdown or HTML gives a meaning.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in one_line(text).chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            // Names that would be mentioned get a break that is not seen.
            '@' => escaped += "&#64;",
            '#' => escaped += "&#35;",
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '|' | '~' | '!' => {
                escaped.push('\\');
                escaped.push(character);
            }
            other => escaped.push(other),
        }
    }
    escaped
}
