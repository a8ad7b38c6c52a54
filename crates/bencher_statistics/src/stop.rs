//! When enough was measured.
//!
//! Who looks at the interval after each measurement and stops once it pleases stops too often when it
//! is narrow by chance (Anscombe, "Large-sample theory of sequential estimation", 1952; Chow and
//! Robbins, "On the asymptotic theory of fixed-width sequential confidence intervals", 1965). The rule
//! looks at the width only, never at whether there is a difference, so it raises no false alarms; it
//! looks seldom, each time at half as many measurements again; and not before ten. What is left of the
//! optimism is measured in docs/statistics.md.

use std::time::Duration;

use crate::interval::Estimate;

/// When to stop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StopRule {
    /// Half the width of the interval in relation to its value that is narrow enough: 0.01 for ± 1 %.
    pub half_width: f64,
    /// The most measurements.
    pub most: u32,
    /// The longest time.
    pub longest: Duration,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Measure until there are so many in all, then ask again. The time may run out before.
    MeasureUntil(u32),
    /// Stop.
    Stop(Reason),
}

/// Why it is enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The interval is narrow enough.
    Narrow,
    /// There are as many measurements as may be; the interval is wider than asked for, or they are
    /// fewer than [`FIRST_LOOK`] and its width says nothing.
    Most,
    /// The time is over; the interval is wider than asked for, or there are fewer measurements than
    /// [`FIRST_LOOK`] and its width says nothing.
    Time,
}

/// Measurements before the first look: with fewer the width itself is mostly chance.
pub const FIRST_LOOK: u32 = 10;

impl StopRule {
    /// Decides after `measured` measurements in `elapsed` time, whose interval is `estimate`, if there is
    /// one. Ask at no other moments than those it named, and when the time is over.
    pub fn decide(
        &self,
        measured: u32,
        elapsed: Duration,
        estimate: Option<&Estimate>,
    ) -> Decision {
        let narrow = estimate.is_some_and(|estimate| estimate.half_width() <= self.half_width);
        if measured >= FIRST_LOOK && narrow {
            Decision::Stop(Reason::Narrow)
        } else if measured >= self.most {
            Decision::Stop(Reason::Most)
        } else if elapsed >= self.longest {
            Decision::Stop(Reason::Time)
        } else {
            Decision::MeasureUntil(next_look(measured).min(self.most))
        }
    }
}

/// The look after one at `measured`: half as many again, rounded to an even number, so that both orders
/// of pairs are as frequent.
fn next_look(measured: u32) -> u32 {
    if measured < FIRST_LOOK {
        return FIRST_LOOK;
    }
    let more = measured.saturating_add(measured / 2);
    more.saturating_add(more % 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RULE: StopRule = StopRule {
        half_width: 0.01,
        most: 40,
        longest: Duration::from_mins(10),
    };

    fn wide(half: f64) -> Estimate {
        Estimate {
            value: 2.0,
            low: 2.0 - 2.0 * half,
            high: 2.0 + 2.0 * half,
        }
    }

    #[test]
    fn it_stops_for_the_first_reason_there_is() {
        let soon = Duration::from_secs(1);
        let late = Duration::from_mins(11);
        for (measured, elapsed, half, expected) in [
            (0, soon, None, Decision::MeasureUntil(10)),
            (5, soon, Some(0.001), Decision::MeasureUntil(10)),
            (10, soon, Some(0.009), Decision::Stop(Reason::Narrow)),
            (10, soon, Some(0.011), Decision::MeasureUntil(16)),
            (16, soon, Some(0.011), Decision::MeasureUntil(24)),
            (36, soon, Some(0.011), Decision::MeasureUntil(40)),
            (40, soon, Some(0.011), Decision::Stop(Reason::Most)),
            (40, late, Some(0.009), Decision::Stop(Reason::Narrow)),
            (12, late, Some(0.011), Decision::Stop(Reason::Time)),
            (3, late, None, Decision::Stop(Reason::Time)),
            // Narrow by chance, maybe.
            (3, late, Some(0.001), Decision::Stop(Reason::Time)),
        ] {
            let estimate = half.map(wide);
            let found = RULE.decide(measured, elapsed, estimate.as_ref());
            assert_eq!(found, expected, "{measured} {elapsed:?} {half:?}");
        }
    }

    proptest! {
        #[test]
        fn it_ends_at_the_most(most in 1_u32..10_000) {
            let rule = StopRule { most, ..RULE };
            let mut measured = 0;
            let mut looks = 0;
            while let Decision::MeasureUntil(next) = rule.decide(measured, Duration::ZERO, None) {
                prop_assert!(next > measured);
                measured = next;
                looks += 1;
            }
            prop_assert_eq!(measured, most);
            prop_assert!(looks < 25, "it looks seldom: {looks}");
        }
    }
}
