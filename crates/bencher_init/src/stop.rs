//! How a command is made to end: a signal, time to heed it, and then `SIGKILL`.
//!
//! ```text
//!           Stop(grace > 0): signal                 the grace is over, or Stop(0)
//!  Running ------------------------> Asked --------------------------------------> Killed
//!     |                               ^  | Stop(grace > 0): the earlier end counts
//!     |                               +--+
//!     +--------------------- Stop(0): kill ----------------------------------------> Killed
//! ```

use bencher_output_protocol::Stop;

/// Where the command is on its way to its end. Times are nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stopping {
    /// Nobody has asked it to end.
    Running,
    /// It was sent its stop signal.
    Asked {
        /// When it will be killed.
        deadline: u64,
    },
    /// It was sent `SIGKILL`.
    Killed,
}

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Nothing,
    /// Send the stop signal, and come back when this time has passed.
    SignalAndWait(u64),
    /// Come back when this time has passed, not later.
    Wait(u64),
    /// Kill everything.
    Kill,
}

impl Stopping {
    /// The host asks for a stop at the time `now`.
    pub(crate) fn stop(&mut self, stop: Stop, now: u64) -> Action {
        let grace = stop.grace_milliseconds.saturating_mul(1_000_000);
        let deadline = now.saturating_add(grace);
        match *self {
            Self::Killed => Action::Nothing,
            _ if grace == 0 => self.kill(),
            Self::Running => {
                *self = Self::Asked { deadline };
                Action::SignalAndWait(grace)
            }
            Self::Asked { deadline: earlier } if earlier <= deadline => Action::Nothing,
            Self::Asked { .. } => {
                *self = Self::Asked { deadline };
                Action::Wait(grace)
            }
        }
    }

    /// The time that was waited for has passed.
    pub(crate) fn grace_is_over(&mut self) -> Action {
        match self {
            Self::Asked { .. } => self.kill(),
            Self::Running | Self::Killed => Action::Nothing,
        }
    }

    fn kill(&mut self) -> Action {
        *self = Self::Killed;
        Action::Kill
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stop(grace_milliseconds: u64) -> Stop {
        Stop { grace_milliseconds }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn signal_then_grace_then_kill() {
        let mut stopping = Stopping::Running;
        assert_eq!(stopping.stop(stop(10), 5), Action::SignalAndWait(10 * MS));
        assert_eq!(stopping.grace_is_over(), Action::Kill);
        assert_eq!(stopping.grace_is_over(), Action::Nothing);
        assert_eq!(stopping.stop(stop(0), 9), Action::Nothing);
    }

    #[test]
    fn no_grace_kills_at_once_even_while_one_runs() {
        assert_eq!(Stopping::Running.stop(stop(0), 0), Action::Kill);
        let mut stopping = Stopping::Running;
        stopping.stop(stop(1000), 0);
        assert_eq!(stopping.stop(stop(0), 1), Action::Kill);
    }

    #[test]
    fn a_second_stop_can_only_shorten_the_grace() {
        let mut stopping = Stopping::Running;
        stopping.stop(stop(1000), 0);
        assert_eq!(stopping.stop(stop(2000), 1), Action::Nothing);
        assert_eq!(stopping.stop(stop(10), 1), Action::Wait(10 * MS));
        assert_eq!(
            stopping,
            Stopping::Asked {
                deadline: 1 + 10 * MS
            }
        );
    }

    proptest! {
        #[test]
        fn a_command_is_signaled_and_killed_at_most_once(
            graces in proptest::collection::vec(prop_oneof![Just(0), any::<u64>()], 0..20),
        ) {
            let mut stopping = Stopping::Running;
            let mut actions = Vec::new();
            for (now, grace) in (0..).zip(graces) {
                actions.push(stopping.stop(stop(grace), now));
                actions.push(stopping.grace_is_over());
            }
            let count = |wanted: fn(&Action) -> bool| actions.iter().filter(|action| wanted(action)).count();
            prop_assert!(count(|action| *action == Action::Kill) <= 1);
            prop_assert!(count(|action| matches!(action, Action::SignalAndWait(_))) <= 1);
        }
    }
}
