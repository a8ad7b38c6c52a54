//! Comparisons: the same machine runs all sides in turns.

/// The most jobs that one comparison may have.
pub const MAX_COMPARISON_JOBS: usize = 256;

/// A comparison that can not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ComparisonError {
    /// Nothing to compare with.
    #[error("a comparison has at least two sides, this one has {0}: submit a job instead")]
    Sides(usize),
    /// Too much.
    #[error(
        "{sides} sides in {rounds} rounds are more than {MAX_COMPARISON_JOBS} jobs: ask for fewer rounds"
    )]
    TooLong {
        /// Its sides.
        sides: usize,
        /// Its rounds.
        rounds: usize,
    },
}

/// Which side each job of a comparison is of, in the order in which they run. Every other round is
/// run backwards (`ABBA`), so that a machine that becomes steadily slower slows all sides alike.
///
/// # Errors
///
/// With fewer than two sides, no rounds, or more than [`MAX_COMPARISON_JOBS`] jobs.
pub fn interleave(sides: usize, rounds: usize) -> Result<Vec<usize>, ComparisonError> {
    if sides < 2 {
        return Err(ComparisonError::Sides(sides));
    }
    let jobs = sides.saturating_mul(rounds);
    if jobs == 0 || jobs > MAX_COMPARISON_JOBS {
        return Err(ComparisonError::TooLong { sides, rounds });
    }
    let mut order = Vec::with_capacity(jobs);
    for round in 0..rounds {
        if round % 2 == 0 {
            order.extend(0..sides);
        } else {
            order.extend((0..sides).rev());
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_go_forth_and_back() {
        assert_eq!(interleave(2, 1), Ok(vec![0, 1]));
        assert_eq!(interleave(2, 3), Ok(vec![0, 1, 1, 0, 0, 1]));
        assert_eq!(interleave(3, 2), Ok(vec![0, 1, 2, 2, 1, 0]));
        for sides in [0, 1] {
            assert_eq!(interleave(sides, 2), Err(ComparisonError::Sides(sides)));
        }
        for (sides, rounds) in [(2, 0), (2, 129), (257, 1), (2, usize::MAX)] {
            assert_eq!(
                interleave(sides, rounds),
                Err(ComparisonError::TooLong { sides, rounds })
            );
        }
    }

    #[test]
    fn two_rounds_cancel_a_steady_drift() {
        let order = interleave(4, 8).expect("32 jobs");
        let mut sums = [0; 4];
        for (moment, side) in order.into_iter().enumerate() {
            sums[side] += moment;
        }
        assert!(sums.iter().all(|sum| *sum == sums[0]), "{sums:?}");
    }
}
