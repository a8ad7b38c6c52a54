//! Timers and events that do not end.

use std::time::Instant;

use bencher_channel_protocol::runner::Timer;

/// How many events may come before a timer whose time has come.
///
/// Those that are there already do: after a while in which nothing could be done an answer counts, and not
/// that it was waited for. But a server that floods the runner must not keep it from its heartbeats, nor a
/// job's output keep the job from its deadline.
const MOST_BEFORE_TIMER: u32 = 100;

/// Lets timers have their turn.
#[derive(Debug, Default)]
pub(super) struct Fairness {
    /// Events that have come before the timer that is due.
    overtaken: u32,
}

impl Fairness {
    /// The timer that comes before anything else now; `next` is the one whose time comes first.
    pub(super) fn turn(&mut self, next: Option<(Timer, Instant)>, now: Instant) -> Option<Timer> {
        let Some((timer, _)) = next.filter(|(_, when)| *when <= now) else {
            self.overtaken = 0;
            return None;
        };
        self.overtaken += 1;
        if self.overtaken > MOST_BEFORE_TIMER {
            self.overtaken = 0;
            return Some(timer);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_timer_has_its_turn_after_some_events() {
        let now = Instant::now();
        let due = Some((Timer::Heartbeat, now));
        let later = Some((Timer::Idle, now + Duration::from_secs(1)));
        let mut fairness = Fairness::default();
        for _ in 0..2 {
            for _ in 0..MOST_BEFORE_TIMER {
                assert_eq!(fairness.turn(due, now), None);
            }
            assert_eq!(fairness.turn(due, now), Some(Timer::Heartbeat));
        }
        // Only what comes before one that is due counts.
        for _ in 0..2 * MOST_BEFORE_TIMER {
            assert_eq!(fairness.turn(later, now), None);
            assert_eq!(fairness.turn(None, now), None);
            assert_eq!(fairness.turn(due, now), None);
        }
    }
}
