//! A comparison as `JUnit`'s XML, as CI systems read it: a test case for each metric.

use super::words::{self, Row};
use crate::comparison::{Comparison, MetricComparison};

/// The comparison as XML. A metric that failed the threshold is a failure, one without an answer is
/// skipped. A comparison that is incomplete has an error of its own.
pub fn junit(comparison: &Comparison) -> String {
    let failed = |metric: &&MetricComparison| has_failed(comparison, metric);
    let failures = comparison.metrics.iter().filter(failed).count();
    let skipped = comparison
        .metrics
        .iter()
        .filter(|metric| metric.answer.is_none())
        .count();
    let errors = usize::from(comparison.incomplete.is_some());
    let name = format!(
        "{} compared with {}",
        comparison.candidate.label, comparison.baseline.label
    );
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n  <testsuite name=\"{}\" tests=\"{}\" \
         failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\">\n",
        escape(&name),
        comparison.metrics.len() + errors
    );
    for metric in &comparison.metrics {
        text += &case(comparison, metric);
    }
    if let Some(reason) = &comparison.incomplete {
        text += &format!(
            "    <testcase classname=\"{}\" name=\"complete\">\n      <error type=\"incomplete\" \
             message=\"{}\"/>\n    </testcase>\n",
            escape(&comparison.candidate.label),
            escape(reason)
        );
    }
    text += "  </testsuite>\n</testsuites>\n";
    text
}

fn has_failed(comparison: &Comparison, metric: &MetricComparison) -> bool {
    let gate = comparison.gate.as_ref();
    gate.is_some_and(|gate| gate.failed.contains(&metric.name))
}

fn case(comparison: &Comparison, metric: &MetricComparison) -> String {
    let row = Row::of(metric);
    let mut text = format!(
        "    <testcase classname=\"{}\" name=\"{}\">\n",
        escape(&comparison.candidate.label),
        escape(&metric.name)
    );
    match &metric.problem {
        Some(problem) => text += &format!("      <skipped message=\"{}\"/>\n", escape(problem)),
        None if has_failed(comparison, metric) => {
            let gate = comparison.gate.as_ref().map(words::gate);
            text += &format!(
                "      <failure type=\"slower\" message=\"{} {}\">{}</failure>\n",
                escape(&row.change),
                escape(&row.whole_verdict()),
                escape(&gate.unwrap_or_default())
            );
        }
        None => {}
    }
    if metric.answer.is_some() {
        text += &format!(
            "      <system-out>A {}; B {}; change {} {}, p {}: {}</system-out>\n",
            escape(&row.baseline),
            escape(&row.candidate),
            escape(&row.change),
            escape(&row.interval),
            escape(&row.p_value),
            escape(&row.whole_verdict())
        );
    }
    text += "    </testcase>\n";
    text
}

/// `text` inside XML, in an attribute or between elements. Characters that XML has not are replaced.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for character in words::one_line(text).chars() {
        match character {
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '&' => escaped += "&amp;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}
