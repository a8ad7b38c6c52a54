//! A comparison of what there is, where that is not all that was asked for.

use super::{CompareError, Comparison, Input, Options, compare};

/// Whether `recorded` can be one side of a comparison by `options`: better to learn that before the other
/// side is run.
///
/// # Errors
///
/// When it has nothing to compare, or not enough for a threshold to be decided.
pub fn check_recorded(recorded: &Input, options: &Options) -> Result<(), CompareError> {
    match compare(recorded, recorded, options) {
        Ok(_) => Ok(()),
        // Too few or too equal values of one side may be enough beside the other one's.
        Err(CompareError::Undecided { metric, .. }) if is_measured(recorded, options, &metric)? => {
            Ok(())
        }
        Err(CompareError::Undecided { metric, problem }) => Err(CompareError::Undecided {
            metric,
            problem: format!(
                "not even {} compared with itself has an answer: {problem}",
                recorded.label
            ),
        }),
        Err(error) => Err(error),
    }
}

/// Whether a metric has a spread, whatever that is worth.
fn is_measured(recorded: &Input, options: &Options, metric: &str) -> Result<bool, CompareError> {
    let options = Options {
        threshold: None,
        ..options.clone()
    };
    let found = compare(recorded, recorded, &options)?;
    let mut metrics = found.metrics.iter();
    let found = metrics.find(|one| one.name == metric);
    Ok(found.is_some_and(|one| one.baseline.points.len() > 1))
}

/// Compares `candidate` with `baseline`, and marks the comparison if it is incomplete: for the reason that
/// `cut` gives, or because a threshold can not be decided. Whether an incomplete one keeps a threshold is
/// not said: it would be taken for an answer.
///
/// # Errors
///
/// When there is nothing to compare, or the machines or clocks differ and that is not forced.
pub fn compare_what_there_is(
    baseline: &Input,
    candidate: &Input,
    options: &Options,
    cut: Option<&str>,
) -> Result<Comparison, CompareError> {
    let without_threshold = Options {
        threshold: None,
        ..options.clone()
    };
    let (mut comparison, reason) = match cut {
        Some(reason) => {
            let compared = compare(baseline, candidate, &without_threshold)?;
            (compared, reason.to_owned())
        }
        None => match compare(baseline, candidate, options) {
            Err(error @ CompareError::Undecided { .. }) => {
                let compared = compare(baseline, candidate, &without_threshold)?;
                (compared, error.to_string())
            }
            compared => return compared,
        },
    };
    let warning = format!("incomplete: {reason}");
    comparison.warnings.insert(0, warning);
    comparison.incomplete = Some(reason);
    Ok(comparison)
}

#[cfg(test)]
mod tests {
    use bencher_runner::result::Metric;

    use super::*;
    use crate::comparison::Threshold;
    use crate::html;
    use crate::samples::tests::{input, options};
    use crate::text::{Look, csv, github, human, junit, markdown};

    fn asked(metric: Metric) -> Options {
        Options {
            metrics: vec![metric.into()],
            interleaved: None,
            threshold: Some(Threshold(0.03)),
            ..options(0)
        }
    }

    #[test]
    fn what_is_cut_short_is_compared_and_marked_in_every_text() {
        let [one, other] = [input("old", &[5, 6, 5]), input("new", &[9, 9, 8, 9])];
        let wall = asked(Metric::Wall);
        let found = compare_what_there_is(&one, &other, &wall, Some("interrupted"));
        let found = found.expect("it is one");
        assert_eq!(found.incomplete.as_deref(), Some("interrupted"));
        assert!(found.metrics[0].answer.is_some());
        assert!(found.gate.is_none(), "it would be taken for an answer");
        let look = Look {
            width: 80,
            bars: false,
            colours: false,
        };
        let github = github(&found);
        assert!(
            github
                .commands
                .contains("::error title=comparison::incomplete")
        );
        for text in [
            human(&found, look),
            markdown(&found),
            csv(&found),
            github.commands,
            junit(&found),
            html(&found),
        ] {
            assert!(text.contains("interrupted"), "{text}");
        }
        let xml = junit(&found);
        assert!(xml.contains("errors=\"1\"") && xml.contains("<error type=\"incomplete\""));
        let whole = compare_what_there_is(&one, &other, &wall, None).expect("it is one");
        assert!(whole.incomplete.is_none() && whole.gate.is_some());
        assert!(!junit(&whole).contains("<error"));
    }

    #[test]
    fn a_threshold_that_can_not_be_decided_leaves_the_rest() {
        let one = input("old", &[5, 6, 5]);
        let cycles = asked(Metric::Cycles);
        let found = compare_what_there_is(&one, &one, &cycles, None).expect("it is one");
        let reason = found.incomplete.expect("it is not whole");
        let expected = "--fail-if-slower can not be decided by cycles";
        assert!(reason.starts_with(expected), "{reason}");
    }

    #[test]
    fn a_side_without_use_is_known_before_the_other_one_runs() {
        let recorded = input("old.json", &[5, 6, 5]);
        check_recorded(&recorded, &asked(Metric::Wall)).expect("it is of use");
        let error = check_recorded(&recorded, &asked(Metric::Cycles)).expect_err("it is not");
        let expected = "not even old.json compared with itself has an answer";
        assert!(error.to_string().contains(expected), "{error}");
        let empty = input("old.json", &[]);
        let error = check_recorded(&empty, &asked(Metric::Wall)).expect_err("it is empty");
        let expected = "no iteration to compare";
        assert!(error.to_string().contains(expected), "{error}");
    }
}
