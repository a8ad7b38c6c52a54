//! A side that was measured by several jobs of a server, each of which has a result document.

use bencher_runner::result::{Iteration, Iterations, ResultDocument};

use super::Input;
use super::input::outcome_of;

impl Input {
    /// A side whose jobs' result documents are `first` and `others`, and whose iterations are these, in the
    /// order in which they ran. `adapter` read metrics out of what they wrote, if one was named.
    pub fn of_jobs(
        label: String,
        first: ResultDocument<Iterations>,
        others: &[ResultDocument<Iterations>],
        iterations: Vec<Iteration>,
        adapter: Option<String>,
    ) -> Self {
        let mut trust = first.trust.clone();
        for other in others {
            trust.comparable &= other.trust.comparable;
            trust.suspect_iterations += other.trust.suspect_iterations;
            for reason in &other.trust.reasons {
                if !trust.reasons.contains(reason) {
                    trust.reasons.push(reason.clone());
                }
            }
        }
        let result = ResultDocument {
            label: Some(label.clone()),
            adapter,
            outcome: outcome_of(&iterations),
            iterations: Iterations(iterations),
            trust,
            ..first
        };
        Self {
            label,
            file: None,
            result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::tests::input;

    #[test]
    fn what_speaks_against_one_job_speaks_against_its_side() {
        let document = |suspects: u32, reasons: &[&str]| {
            let mut document = input("job", &[10]).result;
            document.trust.suspect_iterations = suspects;
            document.trust.comparable = reasons.is_empty();
            document.trust.reasons = reasons.iter().map(|&text| text.to_owned()).collect();
            document
        };
        let others = [document(2, &["emulated"]), document(1, &["emulated"])];
        let iterations = input("all", &[10, 11, 12]).result.iterations.0;
        let first = document(0, &[]);
        let kernel = first.host.kernel_release.clone();
        let side = Input::of_jobs("A".to_owned(), first, &others, iterations, None).result;
        assert_eq!(side.trust.suspect_iterations, 3);
        assert_eq!(
            (side.trust.comparable, &side.trust.reasons[..]),
            (false, &["emulated".to_owned()][..])
        );
        assert_eq!(
            (side.iterations.0.len(), side.outcome.iterations_run),
            (3, 3)
        );
        assert_eq!(side.host.kernel_release, kernel);
        assert!(side.setup.is_some());
    }
}
