//! Why results are not compared.

use bencher_runner::result::Metric;
use thiserror::Error;

use super::Difference;
use super::make::USUAL;

/// Why results are not compared.
#[derive(Debug, Error)]
pub enum CompareError {
    /// A result of a run in which nothing ran.
    #[error("{label} has no iteration to compare: {reason}")]
    Nothing {
        /// The side.
        label: String,
        /// Why.
        reason: String,
    },
    /// Each side has iterations that ended well, and none of them beside one of the other side's.
    #[error(
        "in none of {pairs} pairs did both {baseline} and {candidate} end well: their results say why \
         iterations failed"
    )]
    NoPair {
        /// The baseline's label.
        baseline: String,
        /// The candidate's label.
        candidate: String,
        /// How many pairs there were.
        pairs: usize,
    },
    /// None of the usual metrics was measured.
    #[error(
        "neither {baseline} nor {candidate} measured {}: name another metric with --metric",
        listed(&USUAL)
    )]
    NoMetric {
        /// The baseline's label.
        baseline: String,
        /// The candidate's label.
        candidate: String,
    },
    /// They are of different machines or clocks.
    #[error(
        "{baseline} and {candidate} are not of the same machine or clock: {}; --force compares them all \
         the same, and marks the comparison",
        in_words(differences)
    )]
    Different {
        /// The baseline's label.
        baseline: String,
        /// The candidate's label.
        candidate: String,
        /// What differs.
        differences: Vec<Difference>,
    },
    /// There is no answer for a metric that decides.
    #[error("--fail-if-slower can not be decided by {metric}: {problem}")]
    Undecided {
        /// The metric.
        metric: String,
        /// Why there is no answer.
        problem: String,
    },
}

/// Differences as a list for a message.
fn in_words(differences: &[Difference]) -> String {
    let words: Vec<_> = differences
        .iter()
        .map(|one| format!("{} ({} and {})", one.what, one.baseline, one.candidate))
        .collect();
    words.join(", ")
}

/// Names as a list for a message.
fn listed(metrics: &[Metric]) -> String {
    let names: Vec<_> = metrics.iter().map(|metric| metric.name()).collect();
    names.join(", ")
}
