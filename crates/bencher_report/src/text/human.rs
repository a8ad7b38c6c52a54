//! A comparison for a terminal.

use super::sparkline::sparkline;
use super::words::{self, Row, one_line};
use crate::comparison::{Comparison, MetricComparison, Verdict};

/// What the terminal can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of a line.
    pub width: usize,
    /// Whether there are bars for the values; a log has none.
    pub bars: bool,
    /// Whether there are colours.
    pub colours: bool,
}

/// Bars of a side's values.
const BARS: usize = 24;

/// The comparison as a table, or as a list where a table is too wide.
pub fn human(comparison: &Comparison, look: Look) -> String {
    let mut text = String::new();
    for (letter, side) in [("A", &comparison.baseline), ("B", &comparison.candidate)] {
        wrap(
            &mut text,
            &format!("{letter}  "),
            &one_line(&words::side(side)),
            look.width,
        );
    }
    wrap(&mut text, "   ", &words::method(comparison), look.width);
    for difference in &comparison.differences {
        let sign = if difference.matters { "!  " } else { "-  " };
        let what = format!(
            "{} differs: {} and {}",
            difference.what, difference.baseline, difference.candidate
        );
        wrap(&mut text, sign, &one_line(&what), look.width);
    }
    text.push('\n');
    let rows: Vec<_> = comparison.metrics.iter().map(Row::of).collect();
    let table = table(comparison, &rows, look);
    let fits = table
        .iter()
        .all(|line| line.plain.chars().count() <= look.width);
    if fits {
        for line in &table {
            text += line.shown.trim_end();
            text.push('\n');
        }
        for row in rows.iter().filter(|row| !row.because.is_empty()) {
            wrap(
                &mut text,
                &format!("{}: ", row.metric),
                &row.because,
                look.width,
            );
        }
    } else {
        for (metric, row) in comparison.metrics.iter().zip(&rows) {
            list(&mut text, metric, row, look);
        }
    }
    if look.bars {
        bars(&mut text, comparison, look);
    }
    if !comparison.warnings.is_empty() {
        text.push('\n');
    }
    for warning in &comparison.warnings {
        wrap(&mut text, "! ", &one_line(warning), look.width);
    }
    if let Some(gate) = &comparison.gate {
        text.push('\n');
        let colour = if gate.passed() { GREEN } else { RED };
        let mut line = String::new();
        wrap(&mut line, "", &words::gate(gate), look.width);
        text += &coloured(line.trim_end(), colour, look);
        text.push('\n');
    }
    text
}

struct Line {
    /// As wide as it is shown.
    plain: String,
    /// With its colours.
    shown: String,
}

const TITLES: [&str; 6] = ["METRIC", "A", "B", "CHANGE", "P", "VERDICT"];

fn table(comparison: &Comparison, rows: &[Row], look: Look) -> Vec<Line> {
    let cells = |row: &Row| {
        [
            row.metric.clone(),
            row.baseline.clone(),
            row.candidate.clone(),
            format!("{} {}", row.change, row.interval),
            row.p_value.clone(),
            row.verdict.clone(),
        ]
    };
    let titles = TITLES.map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(titles)
        .chain(rows.iter().map(cells))
        .collect();
    let mut widths = [0; 6];
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let colours = std::iter::once("").chain(comparison.metrics.iter().map(colour));
    lines
        .iter()
        .zip(colours)
        .map(|(line, colour)| {
            let mut head = String::new();
            for (place, (cell, width)) in line.iter().zip(widths).take(5).enumerate() {
                // Names to the left, numbers to the right.
                head += &if place == 0 {
                    format!("{cell:<width$}  ")
                } else {
                    format!("{cell:>width$}  ")
                };
            }
            Line {
                plain: format!("{head}{}", line[5]),
                shown: format!("{head}{}", coloured(&line[5], colour, look)),
            }
        })
        .collect()
}

fn list(text: &mut String, metric: &MetricComparison, row: &Row, look: Look) {
    let verdict = row.whole_verdict();
    let mut head = String::new();
    wrap(
        &mut head,
        &format!("{}: ", row.metric),
        &verdict,
        look.width,
    );
    *text += &coloured(head.trim_end(), colour(metric), look);
    text.push('\n');
    wrap(text, "  A  ", &row.baseline, look.width);
    wrap(text, "  B  ", &row.candidate, look.width);
    if metric.answer.is_some() {
        let change = format!("{} {}, p {}", row.change, row.interval, row.p_value);
        wrap(text, "  B to A  ", &change, look.width);
    }
}

/// The values of both sides in the order in which they were measured, on a scale that they share.
fn bars(text: &mut String, comparison: &Comparison, look: Look) {
    let name_width = comparison
        .metrics
        .iter()
        .map(|metric| metric.name.chars().count())
        .max()
        .unwrap_or_default();
    let room = look.width.saturating_sub(name_width + 8) / 2;
    let mut lines = String::new();
    for metric in &comparison.metrics {
        let sides = [&metric.baseline, &metric.candidate];
        let summaries = sides.map(|side| side.summary);
        let [Some(one), Some(other)] = summaries else {
            continue;
        };
        let range = (one.least.min(other.least), one.greatest.max(other.greatest));
        let [baseline, candidate] = sides.map(|side| {
            let values: Vec<f64> = side.points.iter().map(|point| point.value).collect();
            sparkline(&values, BARS.min(room), range)
        });
        lines += &format!(
            "{:<name_width$}  A {baseline}  B {candidate}\n",
            metric.name
        );
    }
    if !lines.is_empty() && room >= 4 {
        text.push('\n');
        *text += &lines;
    }
}

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

fn colour(metric: &MetricComparison) -> &'static str {
    match metric.answer.map(|answer| answer.verdict) {
        Some(Verdict::Faster) => GREEN,
        Some(Verdict::Slower) => RED,
        Some(Verdict::TooNoisy) | None => YELLOW,
        Some(Verdict::NoDifferenceSeen) => "",
    }
}

fn coloured(text: &str, colour: &str, look: Look) -> String {
    if look.colours && !colour.is_empty() {
        format!("\x1b[{colour}m{text}\x1b[0m")
    } else {
        text.to_owned()
    }
}

/// Adds `words` behind `head`, in as many lines of `width` columns as it takes.
fn wrap(text: &mut String, head: &str, words: &str, width: usize) {
    let indent = " ".repeat(head.chars().count());
    let mut line = head.to_owned();
    let mut is_empty = true;
    for word in words.split_whitespace() {
        let length = line.chars().count() + word.chars().count() + usize::from(!is_empty);
        if length > width && !is_empty {
            *text += line.trim_end();
            text.push('\n');
            line.clone_from(&indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    *text += line.trim_end();
    text.push('\n');
}
