//! When silence counts.
//!
//! A runner can only say that it is alive while somebody listens and writes it down. So no job
//! expires before its runner had the time to do so: since the server began, since the database could
//! last not be written, and since time made a leap, which is what a server sees that was stopped or
//! whose host slept.

use std::time::Duration;

use crate::moment::Moment;

/// What may come late on a machine that is busy and otherwise well.
const BUSY: Duration = Duration::from_secs(1);

/// How long runners have been heard without a gap.
#[derive(Debug)]
pub(super) struct Patience {
    heartbeat: Duration,
    interval: Duration,
    since: Moment,
    last: Moment,
}

impl Patience {
    /// For jobs that expire after a silence of `heartbeat`; time is looked at every `interval`.
    pub(super) fn new(heartbeat: Duration, interval: Duration, now: Moment) -> Self {
        Self {
            heartbeat,
            interval,
            since: now,
            last: now,
        }
    }

    /// Time is looked at. Says whether silence counts.
    pub(super) fn look(&mut self, now: Moment) -> bool {
        let steady = now.steady_since(self.last);
        let leap = now.leap_since(self.last);
        let slack = BUSY.max(self.heartbeat / 3);
        let is_late = steady > self.interval + slack;
        if is_late || u128::from(leap.unsigned_abs()) > slack.as_millis() {
            tracing::warn!(
                late = ?steady, leap_milliseconds = leap,
                "time made a leap: jobs whose runners seem to be silent get more time"
            );
            self.since = now;
        }
        self.last = now;
        now.steady_since(self.since) >= self.heartbeat
    }

    /// What runners said could not be written.
    pub(super) fn begin_anew(&mut self, now: Moment) {
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A moment so many milliseconds after `start`.
    fn at(start: Moment, steady: u64, wall: i64) -> Moment {
        start.after(Duration::from_millis(steady), wall)
    }

    #[test]
    fn silence_counts_after_time_went_steadily() {
        let start = Moment::now();
        // After so many milliseconds by either clock: whether silence counts.
        for (case, looks) in [
            (
                "nothing happens",
                &[(5000, 5000, false), (29_999, 29_999, false)][..],
            ),
            (
                "steadily",
                &[
                    (10_000, 10_000, false),
                    (20_000, 20_000, false),
                    (30_000, 30_000, true),
                    (35_000, 35_000, true),
                ],
            ),
            (
                "the process was stopped",
                &[
                    (15_000, 15_000, false),
                    (30_000, 30_000, true),
                    (90_000, 90_000, false),
                    (105_000, 105_000, false),
                    (120_000, 120_000, true),
                ],
            ),
            (
                "the host slept: one clock stood still",
                &[
                    (15_000, 15_000, false),
                    (30_000, 30_000, true),
                    (35_000, 3_635_000, false),
                    (50_000, 3_650_000, false),
                    (65_000, 3_665_000, true),
                ],
            ),
            (
                "the clock was put back",
                &[
                    (15_000, 15_000, false),
                    (30_000, 30_000, true),
                    (35_000, -3_600_000, false),
                    (50_000, -3_585_000, false),
                    (65_000, -3_570_000, true),
                ],
            ),
            (
                "a little late, by a clock that is put right",
                &[
                    (14_000, 14_000, false),
                    (28_000, 27_000, false),
                    (42_000, 44_000, true),
                ],
            ),
        ] {
            let (heartbeat, interval) = (Duration::from_secs(30), Duration::from_secs(5));
            let mut patience = Patience::new(heartbeat, interval, start);
            for &(steady, wall, counts) in looks {
                let is_so = patience.look(at(start, steady, wall));
                // The first case has a look that is late, too.
                assert_eq!(is_so, counts, "{case}: after {steady} ms");
            }
        }
    }

    #[test]
    fn an_outage_begins_patience_anew() {
        let start = Moment::now();
        let (heartbeat, interval) = (Duration::from_secs(3), Duration::from_millis(500));
        let mut patience = Patience::new(heartbeat, interval, start);
        assert!(!patience.look(at(start, 1500, 1500)));
        assert!(patience.look(at(start, 3000, 3000)));
        patience.begin_anew(at(start, 4000, 4000));
        assert!(!patience.look(at(start, 4500, 4500)));
        assert!(!patience.look(at(start, 5500, 5500)));
        assert!(!patience.look(at(start, 6900, 6900)));
        assert!(patience.look(at(start, 7000, 7000)));
    }
}
