//! How much slower a candidate may be, and whether it is.

use bencher_runner::result::MetricName;

use super::of_harness;
use super::{Better, CompareError, Gate, MetricComparison, Threshold, Verdict};

/// Decides by the metrics that were named, else by those of the harness, else by the wall time.
///
/// # Errors
///
/// When there is no answer for one that decides.
pub(super) fn gate(
    threshold: Threshold,
    named: &[MetricName],
    metrics: &[MetricComparison],
) -> Result<Gate, CompareError> {
    let deciding = if named.is_empty() {
        of_harness::deciding(metrics)
    } else {
        named.iter().map(ToString::to_string).collect()
    };
    let mut gate = Gate {
        fail_if_slower: threshold.0,
        metrics: Vec::new(),
        failed: Vec::new(),
        blind: Vec::new(),
    };
    for name in deciding {
        if gate.metrics.contains(&name) {
            continue;
        }
        let undecided = |problem: &str| CompareError::Undecided {
            metric: name.clone(),
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
