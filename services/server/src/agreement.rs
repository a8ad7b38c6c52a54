//! Whether the time of this machine is to be believed: by it jobs are deleted, and nobody can bring them back.
//!
//! A clock that is wrong is most often so when a machine starts, until it is put right, or leaps because
//! somebody or something puts it wrong. Either is seen beside the clock that never leaps. A clock that is wrong
//! and stays so looks like one that is right: there the log has said for a while what is about to happen.

use std::time::Duration;

use crate::moment::Moment;

/// How far the two may part between two looks: less than any age that jobs are deleted for, more than a clock
/// is put right by that went well.
const SLACK: Duration = Duration::from_mins(1);

/// For how long both clocks have gone alike.
#[derive(Debug)]
pub(crate) struct Agreement {
    needed: Duration,
    since: Moment,
    last: Moment,
}

impl Agreement {
    /// Time is believed once both clocks have gone alike for as long as `needed`.
    pub(crate) fn new(needed: Duration, now: Moment) -> Self {
        Self {
            needed,
            since: now,
            last: now,
        }
    }

    /// Time is looked at. Returns how long it is not to be believed yet, if it is not.
    pub(crate) fn look(&mut self, now: Moment) -> Option<Duration> {
        let leap = now.leap_since(self.last);
        if u128::from(leap.unsigned_abs()) > SLACK.as_millis() {
            tracing::warn!(leap_milliseconds = leap, "the clock made a leap");
            self.since = now;
        }
        self.last = now;
        let left = self.needed.saturating_sub(now.steady_since(self.since));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_believed_after_both_clocks_went_alike() {
        let start = Moment::now();
        let hours = |count: i64| count * 3_600_000;
        // Hours by either clock, and how many are left then.
        for (case, looks) in [
            (
                "steadily",
                &[(0, 0, 2), (1, 1, 1), (2, 2, 0), (30, 30, 0)][..],
            ),
            (
                "months ahead",
                &[(2, 2, 0), (3, 2000, 2), (4, 2001, 1), (5, 2002, 0)],
            ),
            (
                "ahead, and put right",
                &[(2, 2, 0), (3, 2000, 2), (4, 4, 2), (6, 6, 0)],
            ),
            ("put back", &[(2, 2, 0), (3, 1, 2), (5, 3, 0)]),
        ] {
            let mut agreement = Agreement::new(Duration::from_hours(2), start);
            for &(steady, wall, left) in looks {
                let now = start.after(
                    Duration::from_hours(steady),
                    // As much as is put right while all is well.
                    hours(wall) + 30_000,
                );
                let expected = (left > 0).then(|| Duration::from_hours(left));
                assert_eq!(agreement.look(now), expected, "{case}: after {steady} h");
            }
        }
    }
}
