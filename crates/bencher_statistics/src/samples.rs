//! Measurements as they were taken: iterations inside invocations.

use crate::numeric::{self, ROUNDING};

/// Measurements of one metric on one side, in one unit: for each invocation (a fresh machine or
/// process) the values of its iterations, in the order in which they were taken.
///
/// The levels matter: iterations of one invocation share its memory layout, its place on the disk and
/// its warm-up, so a hundred of them do not stand for a hundred invocations (Georges, Buytaert and
/// Eeckhout, "Statistically rigorous Java performance evaluation", OOPSLA 2007; Kalibera and Jones,
/// "Rigorous benchmarking in reasonable time", ISMM 2013).
///
/// There is at least one value, and each is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples {
    invocations: Vec<Vec<f64>>,
}

/// Why values are no samples.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplesError {
    /// There is no invocation.
    #[error("there are no measurements; run the benchmark at least once")]
    Empty,
    /// An invocation without a value.
    #[error("invocation {invocation} measured nothing; leave it out or run it again")]
    EmptyInvocation {
        /// Its number, from 1.
        invocation: usize,
    },
    /// NaN or an infinity.
    #[error(
        "iteration {iteration} of invocation {invocation} is {value}, which is no measurement; \
         leave it out or run it again"
    )]
    NotFinite {
        /// The number of the invocation, from 1.
        invocation: usize,
        /// The number of the iteration, from 1.
        iteration: usize,
        /// The value.
        value: f64,
    },
}

impl Samples {
    /// Invocations with the values of their iterations each.
    ///
    /// # Errors
    ///
    /// When a value is missing or not finite.
    pub fn new(invocations: Vec<Vec<f64>>) -> Result<Self, SamplesError> {
        if invocations.is_empty() {
            return Err(SamplesError::Empty);
        }
        for (invocation, values) in (1..).zip(&invocations) {
            if values.is_empty() {
                return Err(SamplesError::EmptyInvocation { invocation });
            }
            let wrong = (1..).zip(values).find(|(_, value)| !value.is_finite());
            if let Some((iteration, &value)) = wrong {
                return Err(SamplesError::NotFinite {
                    invocation,
                    iteration,
                    value,
                });
            }
        }
        Ok(Self { invocations })
    }

    /// Invocations that measured one value each.
    ///
    /// # Errors
    ///
    /// When there is none, or one is not finite.
    pub fn of_invocations(values: &[f64]) -> Result<Self, SamplesError> {
        Self::new(values.iter().map(|&value| vec![value]).collect())
    }

    /// The iterations of a single invocation.
    ///
    /// # Errors
    ///
    /// When there is none, or one is not finite.
    pub fn of_iterations(values: &[f64]) -> Result<Self, SamplesError> {
        if values.is_empty() {
            return Err(SamplesError::Empty);
        }
        Self::new(vec![values.to_vec()])
    }

    /// The invocations with the values of their iterations; none is empty.
    pub fn invocations(&self) -> &[Vec<f64>] {
        &self.invocations
    }

    /// All values, in the order in which they were taken.
    pub fn values(&self) -> Vec<f64> {
        self.invocations.concat()
    }

    /// How many values there are, at least one.
    pub fn count(&self) -> usize {
        self.invocations.iter().map(Vec::len).sum()
    }

    /// The mean of each invocation.
    pub fn invocation_means(&self) -> Vec<f64> {
        self.invocations
            .iter()
            .map(|values| numeric::mean(values))
            .collect()
    }

    /// Whether each invocation measured exactly what the others did, as under a virtual clock; of a
    /// single one, whether all of its iterations did. A single value repeats nothing.
    #[expect(clippy::float_cmp, reason = "exactly the same is what is asked for")]
    pub fn repeats_exactly(&self) -> bool {
        match self.invocations.as_slice() {
            [single] => single.len() > 1 && single.windows(2).all(|pair| pair[0] == pair[1]),
            several => several.windows(2).all(|pair| pair[0] == pair[1]),
        }
    }

    /// Whether each value of `other` is the same multiple of the one at its place here, to rounding.
    pub(crate) fn is_multiple_of(&self, other: &Self) -> bool {
        let have_places = self.invocations.len() == other.invocations.len()
            && (self.invocations.iter().zip(&other.invocations))
                .all(|(own, theirs)| own.len() == theirs.len());
        let mut ratios = (self.invocations.iter().flatten())
            .zip(other.invocations.iter().flatten())
            .map(|(own, theirs)| own / theirs);
        let Some(first) = ratios.next() else {
            return false;
        };
        have_places && ratios.all(|ratio| (ratio / first - 1.0).abs() <= ROUNDING)
    }

    /// The first value that is not above zero, with the numbers of its invocation and iteration
    /// from 1.
    pub fn first_not_positive(&self) -> Option<(usize, usize, f64)> {
        let invocations = (1..).zip(&self.invocations);
        invocations
            .flat_map(|(invocation, values)| {
                (1..)
                    .zip(values)
                    .map(move |(iteration, &value)| (invocation, iteration, value))
            })
            .find(|&(_, _, value)| value <= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_measurement_is_refused_with_its_place() {
        let table: [(Vec<Vec<f64>>, &str); 4] = [
            (
                vec![],
                "there are no measurements; run the benchmark at least once",
            ),
            (
                vec![vec![1.0], vec![]],
                "invocation 2 measured nothing; leave it out or run it again",
            ),
            (
                vec![vec![1.0], vec![2.0, f64::NAN]],
                "iteration 2 of invocation 2 is NaN, which is no measurement; leave it out or run it \
                 again",
            ),
            (
                vec![vec![f64::NEG_INFINITY]],
                "iteration 1 of invocation 1 is -inf, which is no measurement; leave it out or run it \
                 again",
            ),
        ];
        for (invocations, expected) in table {
            let error = Samples::new(invocations).expect_err(expected);
            assert_eq!(error.to_string(), expected);
        }
        assert_eq!(Samples::of_iterations(&[]), Err(SamplesError::Empty));
        assert_eq!(Samples::of_invocations(&[]), Err(SamplesError::Empty));
    }

    #[test]
    fn exact_repetition_is_told_from_little_spread() {
        for (invocations, expected) in [
            (vec![vec![3.0], vec![3.0]], true),
            (vec![vec![3.0, 4.0], vec![3.0, 4.0]], true),
            (vec![vec![3.0, 3.0]], true),
            (vec![vec![3.0]], false),
            (vec![vec![3.0, 4.0]], false),
            (vec![vec![3.0], vec![3.000_000_1]], false),
            (vec![vec![3.0, 4.0], vec![4.0, 3.0]], false),
        ] {
            let samples = Samples::new(invocations.clone()).expect("finite");
            assert_eq!(samples.repeats_exactly(), expected, "{invocations:?}");
        }
    }

    #[test]
    fn what_is_not_positive_is_found() {
        let of = |values: &[f64]| Samples::of_invocations(values).expect("finite");
        assert_eq!(of(&[3.0, 0.0]).first_not_positive(), Some((2, 1, 0.0)));
        assert_eq!(of(&[3.0]).first_not_positive(), None);
    }
}
