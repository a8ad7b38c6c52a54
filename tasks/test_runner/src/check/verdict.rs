//! How a step ended, and how many checks it stands for.

use std::ops::AddAssign;

/// Numbers of single checks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// How a step ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything was checked and holds.
    Passed,
    /// Something does not hold, or could not be checked although it should have been.
    Failed(String),
    /// Nothing was checked, for this reason.
    Skipped(String),
}

/// The outcome of a step with the checks behind it. The two never contradict each other: a failed
/// step has a failed check, a passed one has passed ones only, a skipped one has none of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    outcome: Outcome,
    counts: Counts,
    remarks: Vec<String>,
}

impl Verdict {
    /// A step that is one check, which holds.
    pub(crate) fn passed() -> Self {
        Self::of(
            Outcome::Passed,
            Counts {
                passed: 1,
                ..Counts::default()
            },
        )
    }

    /// A step that is one check, which does not hold.
    pub(crate) fn failed(reason: impl Into<String>) -> Self {
        Self::of(
            Outcome::Failed(reason.into()),
            Counts {
                failed: 1,
                ..Counts::default()
            },
        )
    }

    /// A step that did not take place.
    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self::of(
            Outcome::Skipped(reason.into()),
            Counts {
                skipped: 1,
                ..Counts::default()
            },
        )
    }

    /// A step of many checks whose program ended well or not.
    pub(crate) fn of_many(succeeded: bool, mut counts: Counts, failure: &str) -> Self {
        if !succeeded {
            counts.failed = counts.failed.max(1);
        }
        let outcome = match counts {
            Counts { failed: 1.., .. } => Outcome::Failed(failure.to_owned()),
            Counts { passed: 1.., .. } => Outcome::Passed,
            Counts { skipped: 1.., .. } => Outcome::Skipped("all of them were skipped".to_owned()),
            _ => return Self::skipped("there are none"),
        };
        Self::of(outcome, counts)
    }

    fn of(outcome: Outcome, counts: Counts) -> Self {
        Self {
            outcome,
            counts,
            remarks: Vec::new(),
        }
    }

    /// Adds lines that are shown below the summary.
    #[must_use]
    pub(crate) fn with_remarks(mut self, remarks: Vec<String>) -> Self {
        self.remarks = remarks;
        self
    }

    pub(crate) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn remarks(&self) -> &[String] {
        &self.remarks
    }
}

impl From<anyhow::Result<()>> for Verdict {
    fn from(result: anyhow::Result<()>) -> Self {
        match result {
            Ok(()) => Self::passed(),
            Err(error) => Self::failed(format!("{error:#}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn outcomes_follow_from_counts_and_success() {
        let failed = Outcome::Failed("bad".to_owned());
        let all_skipped = Outcome::Skipped("all of them were skipped".to_owned());
        let none = Outcome::Skipped("there are none".to_owned());
        for (succeeded, input, outcome, output) in [
            (true, counts(3, 0, 1), Outcome::Passed, counts(3, 0, 1)),
            (true, counts(0, 0, 2), all_skipped, counts(0, 0, 2)),
            (true, counts(0, 0, 0), none, counts(0, 0, 1)),
            (true, counts(3, 1, 0), failed.clone(), counts(3, 1, 0)),
            (false, counts(3, 2, 0), failed.clone(), counts(3, 2, 0)),
            (false, counts(3, 0, 0), failed.clone(), counts(3, 1, 0)),
            (false, counts(0, 0, 0), failed, counts(0, 1, 0)),
        ] {
            let verdict = Verdict::of_many(succeeded, input, "bad");
            assert_eq!(verdict.outcome(), &outcome, "{succeeded} {input:?}");
            assert_eq!(verdict.counts(), output, "{succeeded} {input:?}");
        }
    }

    #[test]
    fn a_result_is_one_check() {
        assert_eq!(Verdict::from(Ok(())), Verdict::passed());
        let error = anyhow::anyhow!("cause").context("effect");
        assert_eq!(Verdict::from(Err(error)), Verdict::failed("effect: cause"));
    }

    proptest! {
        #[test]
        fn the_outcome_never_contradicts_the_counts(
            succeeded: bool,
            passed in 0_u64..5,
            failed in 0_u64..5,
            skipped in 0_u64..5,
        ) {
            let verdict = Verdict::of_many(succeeded, counts(passed, failed, skipped), "bad");
            let counts = verdict.counts();
            match verdict.outcome() {
                Outcome::Passed => prop_assert!(succeeded && counts.failed == 0 && counts.passed > 0),
                Outcome::Failed(_) => prop_assert!(counts.failed > 0),
                Outcome::Skipped(_) => {
                    prop_assert!(counts.passed == 0 && counts.failed == 0 && counts.skipped > 0);
                }
            }
        }
    }
}
