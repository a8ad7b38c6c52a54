//! What is compared, and what is asked of it.

use bencher_runner::result::{
    Iteration, Iterations, MetricName, Outcome, Precision, ResultDocument,
};
use bencher_statistics::{Interest, Order};

use super::Levels;

/// One side to compare.
#[derive(Debug, Clone)]
pub struct Input {
    /// What people call it.
    pub label: String,
    /// The file that the result came from; `None` when it was run for this comparison.
    pub file: Option<String>,
    /// The result.
    pub result: ResultDocument<Iterations>,
}

/// How a side came to its end of which these iterations are all that was wanted.
pub(super) fn outcome_of(iterations: &[Iteration]) -> Outcome {
    let count = u32::try_from(iterations.len()).unwrap_or(u32::MAX);
    Outcome {
        exit_code: 0,
        iterations_wanted: count,
        iterations_run: count,
        iterations_left_out: None,
        precision: None,
        error: None,
    }
}

/// What is asked of a comparison.
#[derive(Debug, Clone)]
pub struct Options {
    /// The metrics; empty for those that matter most of what was measured.
    pub metrics: Vec<MetricName>,
    /// What the bootstrap draws.
    pub levels: Levels,
    /// The orders of the pairs, when the sides took turns, and the seed that these follow from, if they do.
    pub interleaved: Option<(Vec<Order>, Option<u64>)>,
    /// The smallest change of interest; `None` for what suits the clock.
    pub interest: Option<Interest>,
    /// How much slower the candidate may be.
    pub threshold: Option<Threshold>,
    /// Whether results of different machines or clocks are compared in spite of that.
    pub force: bool,
    /// How narrow the ratio's interval was to be, and is.
    pub precision: Option<Precision>,
}

/// How much slower a candidate may be, as a share above 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold(pub f64);
