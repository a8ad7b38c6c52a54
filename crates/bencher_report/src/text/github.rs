//! A comparison for GitHub Actions: annotations on standard output, and a job summary.

use super::markdown::markdown;
use super::words::{self, Row};
use crate::comparison::{Comparison, Verdict};

/// What a job of GitHub Actions is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Annotations {
    /// Workflow commands, for standard output.
    pub commands: String,
    /// Markdown, to be appended to the file that `GITHUB_STEP_SUMMARY` names.
    pub summary: String,
}

/// The comparison as annotations: an error for each metric that failed the threshold, warnings for
/// those that are worse or too noisy, notices for the others.
pub fn github(comparison: &Comparison) -> Annotations {
    let mut commands = String::new();
    for metric in &comparison.metrics {
        let row = Row::of(metric);
        let has_failed = comparison
            .gate
            .as_ref()
            .is_some_and(|gate| gate.failed.contains(&metric.name));
        let kind = match metric.answer.map(|answer| answer.verdict) {
            _ if has_failed => "error",
            Some(Verdict::Slower | Verdict::TooNoisy) | None => "warning",
            Some(Verdict::Faster | Verdict::NoDifferenceSeen) => "notice",
        };
        let message = if metric.answer.is_some() {
            format!(
                "{} {} {}, p {}: {}",
                row.metric,
                row.change,
                row.interval,
                row.p_value,
                row.whole_verdict()
            )
        } else {
            format!("{}: {}", row.metric, row.whole_verdict())
        };
        let title = format!("{}: {}", comparison.candidate.label, row.metric);
        commands += &command(kind, &title, &message);
    }
    let incomplete = comparison.incomplete.as_ref();
    let incomplete = incomplete.map(|reason| format!("incomplete: {reason}"));
    for warning in &comparison.warnings {
        let is_incomplete = incomplete.as_ref() == Some(warning);
        let kind = if is_incomplete { "error" } else { "warning" };
        commands += &command(kind, "comparison", warning);
    }
    if let Some(gate) = comparison.gate.as_ref().filter(|gate| !gate.passed()) {
        commands += &command("error", "comparison", &words::gate(gate));
    }
    let (baseline, candidate) = (&comparison.baseline.label, &comparison.candidate.label);
    let title = super::markdown::escape(&format!("{candidate} compared with {baseline}"));
    Annotations {
        commands,
        summary: format!("### {title}\n\n{}\n", markdown(comparison)),
    }
}

/// A workflow command. What is in it can neither end it nor begin another one.
fn command(kind: &str, title: &str, message: &str) -> String {
    let message = words::one_line(message).replace('%', "%25");
    let title = words::one_line(title)
        .replace('%', "%25")
        .replace(':', "%3A")
        .replace(',', "%2C");
    format!("::{kind} title={title}::{message}\n")
}
