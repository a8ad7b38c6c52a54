//! A comparison as CSV (RFC 4180): a line for each metric, numbers as they are.

use super::words::one_line;
use crate::comparison::{Comparison, MetricComparison};

const TITLES: &str = "metric,unit,baseline,candidate,baseline_iterations,candidate_iterations,\
baseline_mean,baseline_standard_deviation,candidate_mean,candidate_standard_deviation,ratio,ratio_low,\
ratio_high,p_value,adjusted_p_value,rank_p_value,cliffs_delta,detectable,verdict,problem,incomplete";

/// The comparison as CSV.
pub fn csv(comparison: &Comparison) -> String {
    let mut text = format!("{TITLES}\r\n");
    for metric in &comparison.metrics {
        text += &line(comparison, metric);
        text += "\r\n";
    }
    text
}

fn line(comparison: &Comparison, metric: &MetricComparison) -> String {
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    let sides = [&metric.baseline, &metric.candidate];
    let mut cells = vec![
        field(&metric.name),
        field(&metric.unit.name()),
        field(&comparison.baseline.label),
        field(&comparison.candidate.label),
    ];
    cells.extend(sides.map(|side| side.points.len().to_string()));
    for side in sides {
        cells.push(number(side.summary.map(|summary| summary.mean)));
        cells.push(number(
            side.summary.map(|summary| summary.standard_deviation),
        ));
    }
    let answer = metric.answer;
    cells.extend(
        [
            answer.map(|answer| answer.ratio.value),
            answer.map(|answer| answer.ratio.low),
            answer.map(|answer| answer.ratio.high),
            answer.map(|answer| answer.p_value),
            answer.map(|answer| answer.adjusted_p_value),
            answer.map(|answer| answer.ranks.p_value),
            answer.map(|answer| answer.ranks.cliffs_delta),
            answer.map(|answer| answer.detectable),
        ]
        .map(number),
    );
    cells.push(answer.map_or_else(String::new, |answer| {
        answer.verdict.word(&metric.unit).to_owned()
    }));
    cells.push(field(metric.problem.as_deref().unwrap_or_default()));
    cells.push(field(comparison.incomplete.as_deref().unwrap_or_default()));
    cells.join(",")
}

/// A text as a field. What a spreadsheet would take for a formula is made a text by an apostrophe.
fn field(text: &str) -> String {
    let text = one_line(text);
    let text = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        format!("'{text}")
    } else {
        text
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}
