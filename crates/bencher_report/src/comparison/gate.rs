//! How much slower a candidate may be, and whether it is.

use bencher_runner::result::Metric;

use super::{Better, CompareError, Gate, MetricComparison, Threshold, Verdict};

/// Decides by the metrics that were named, else by the wall time.
///
/// # Errors
///
/// When there is no answer for one that decides.
pub(super) fn gate(
    threshold: Threshold,
    named: &[Metric],
    metrics: &[MetricComparison],
) -> Result<Gate, CompareError> {
    let wall = [Metric::Wall];
    let deciding = if named.is_empty() { &wall } else { named };
    let mut gate = Gate {
        fail_if_slower: threshold.0,
        metrics: Vec::new(),
        failed: Vec::new(),
        blind: Vec::new(),
    };
    for name in deciding.iter().map(|metric| metric.name()) {
        if gate.metrics.iter().any(|one| one == name) {
            continue;
        }
        let undecided = |problem: &str| CompareError::Undecided {
            metric: name.to_owned(),
            problem: problem.to_owned(),
        };
        let metric = metrics
            .iter()
            .find(|metric| metric.name == name)
            .ok_or_else(|| undecided("neither side measured it; name another one with --metric"))?;
        let answer = metric
            .answer
            .ok_or_else(|| undecided(metric.problem.as_deref().unwrap_or("it has no answer")))?;
        gate.metrics.push(metric.name.clone());
        let worse = match metric.better {
            Better::Lower => answer.ratio.value,
            Better::Higher => 1.0 / answer.ratio.value,
        };
        if answer.verdict == Verdict::Slower && worse > 1.0 + threshold.0 {
            gate.failed.push(metric.name.clone());
        } else if !matches!(answer.verdict, Verdict::Faster) && answer.detectable > threshold.0 {
            gate.blind.push(metric.name.clone());
        }
    }
    Ok(gate)
}
