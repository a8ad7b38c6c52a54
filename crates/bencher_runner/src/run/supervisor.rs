//! Decides what to do with a machine: a state machine without clocks, sockets or processes.
//!
//! ```text
//!           Started              Exited              Done
//! Booting ----------> Running ----------> Collecting ----> Over
//!    |                   |                   ^   |
//!    | boot deadline     | timeout,          |   | no frame for too long
//!    | interrupt         v interrupt         |   v
//!    |                Stopping --------------+  (kill)
//!    |                   | Exited
//!    v                   v grace and a margin have passed, or a second interrupt
//!  (kill)              (kill)
//! ```
//!
//! Whatever happens, what the guest sent until then is kept: a kill only ends the waiting.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

/// Limits of time that the user set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// From the machine's start to the command's.
    pub(crate) boot: Duration,
    /// From the command's start to its end.
    pub(crate) command: Duration,
    /// From the stop signal to the kill, in the guest.
    pub(crate) grace: Duration,
    /// How long after the grace period a guest may still be silent before its machine is killed.
    pub(crate) margin: Duration,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// The command has begun.
    Started,
    /// The command has ended.
    Exited,
    /// A frame came that brings the iteration forward.
    Frame,
    /// A frame came that does not: a guest may send any number of them.
    Aside,
    /// The guest has said everything.
    Done,
    /// The user asked to stop.
    Interrupt(Signal),
    /// The deadline has passed.
    Deadline,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Nothing.
    Continue,
    /// Tell the guest to stop the command.
    Stop {
        /// Time between the stop signal and the kill, in the guest.
        grace: Duration,
    },
    /// End the machine at once.
    Kill,
    /// End the machine, and wait for nothing else: the user has asked twice.
    Abandon,
}

/// Why the command did not end by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// The machine took too long to start the command.
    BootTimeout,
    /// The command took too long.
    Timeout,
    /// The user asked to stop.
    Interrupted(Signal),
    /// The guest brought nothing forward for too long after the command's end.
    Stalled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Booting,
    Running,
    Stopping,
    Collecting,
    Over,
}

/// The state of one iteration.
#[derive(Debug)]
pub(crate) struct Supervisor {
    times: Times,
    phase: Phase,
    cause: Option<Cause>,
    deadline: Option<Instant>,
}

impl Supervisor {
    /// The machine is started `now`.
    pub(crate) fn new(times: Times, now: Instant) -> Self {
        Self {
            times,
            phase: Phase::Booting,
            cause: None,
            deadline: now.checked_add(times.boot),
        }
    }

    /// When [`Event::Deadline`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Why the command did not end by itself, if so.
    pub(crate) fn cause(&self) -> Option<Cause> {
        self.cause
    }

    /// Takes `event` into account.
    pub(crate) fn handle(&mut self, event: Event, now: Instant) -> Action {
        match (self.phase, event) {
            (Phase::Over, Event::Interrupt(_)) => Action::Abandon,
            (Phase::Over, _) => Action::Continue,
            (_, Event::Done) => self.over(Action::Kill),

            (Phase::Booting, Event::Started) => {
                self.phase = Phase::Running;
                self.deadline = now.checked_add(self.times.command);
                Action::Continue
            }
            (Phase::Booting, Event::Deadline) => {
                self.cause = Some(Cause::BootTimeout);
                self.over(Action::Kill)
            }
            (Phase::Booting, Event::Interrupt(signal)) => {
                self.cause = Some(Cause::Interrupted(signal));
                self.over(Action::Kill)
            }

            (Phase::Running, Event::Deadline) => self.stop(Cause::Timeout, now),
            (Phase::Running, Event::Interrupt(signal)) => {
                self.stop(Cause::Interrupted(signal), now)
            }

            (Phase::Stopping, Event::Deadline) => self.over(Action::Kill),

            (Phase::Booting | Phase::Running | Phase::Stopping, Event::Exited) => {
                self.phase = Phase::Collecting;
                self.deadline = now.checked_add(self.stall_limit());
                Action::Continue
            }
            (Phase::Collecting, Event::Frame) => {
                // After an interrupt the deadline stands: the user wants an end.
                if !matches!(self.cause, Some(Cause::Interrupted(_))) {
                    self.deadline = now.checked_add(self.stall_limit());
                }
                Action::Continue
            }
            (Phase::Collecting, Event::Deadline) => {
                self.cause.get_or_insert(Cause::Stalled);
                self.over(Action::Kill)
            }

            (Phase::Collecting, Event::Interrupt(signal))
                if !matches!(self.cause, Some(Cause::Interrupted(_))) =>
            {
                self.cause = Some(Cause::Interrupted(signal));
                self.deadline = now.checked_add(self.times.margin);
                Action::Continue
            }
            (Phase::Stopping, Event::Interrupt(signal))
                if !matches!(self.cause, Some(Cause::Interrupted(_))) =>
            {
                // The command is being stopped already, for the timeout: the user wants it gone.
                self.cause = Some(Cause::Interrupted(signal));
                self.deadline = now.checked_add(self.times.margin);
                Action::Stop {
                    grace: Duration::ZERO,
                }
            }
            (Phase::Stopping | Phase::Collecting, Event::Interrupt(_)) => {
                self.over(Action::Abandon)
            }

            (
                Phase::Running | Phase::Stopping | Phase::Collecting,
                Event::Started | Event::Frame | Event::Exited,
            )
            | (Phase::Booting, Event::Frame)
            | (_, Event::Aside) => Action::Continue,
        }
    }

    fn stop(&mut self, cause: Cause, now: Instant) -> Action {
        self.cause = Some(cause);
        self.phase = Phase::Stopping;
        let grace = self.times.grace;
        self.deadline = now.checked_add(grace.saturating_add(self.times.margin));
        Action::Stop { grace }
    }

    fn over(&mut self, action: Action) -> Action {
        self.phase = Phase::Over;
        self.deadline = None;
        action
    }

    fn stall_limit(&self) -> Duration {
        self.times.boot.max(self.times.margin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: u64 = 30;
    const COMMAND: u64 = 100;
    const GRACE: u64 = 5;

    /// Runs `(second, event, action)` rows and returns the cause.
    fn play(rows: &[(u64, Event, Action)]) -> Option<Cause> {
        let start = Instant::now();
        let times = Times {
            boot: Duration::from_secs(BOOT),
            command: Duration::from_secs(COMMAND),
            grace: Duration::from_secs(GRACE),
            margin: Duration::from_secs(10),
        };
        let mut supervisor = Supervisor::new(times, start);
        for &(second, event, action) in rows {
            let now = start + Duration::from_secs(second);
            if event == Deadline {
                assert_eq!(supervisor.deadline(), Some(now), "at {second} s");
            }
            assert_eq!(
                supervisor.handle(event, now),
                action,
                "{event:?} at {second} s"
            );
        }
        supervisor.cause()
    }

    use Action::{Abandon, Continue, Kill};
    use Event::{Aside, Deadline, Done, Exited, Frame, Interrupt, Started};

    const STOP: Action = Action::Stop {
        grace: Duration::from_secs(GRACE),
    };
    const STOP_NOW: Action = Action::Stop {
        grace: Duration::ZERO,
    };

    #[test]
    fn a_command_that_ends_by_itself() {
        let cause = play(&[
            (1, Frame, Continue),
            (2, Started, Continue),
            (3, Frame, Continue),
            (4, Exited, Continue),
            (5, Frame, Continue),
            (6, Done, Kill),
        ]);
        assert_eq!(cause, None);
    }

    #[test]
    fn a_boot_that_hangs() {
        assert_eq!(play(&[(BOOT, Deadline, Kill)]), Some(Cause::BootTimeout));
    }

    #[test]
    fn the_timeout_counts_from_the_start_of_the_command() {
        let cause = play(&[
            (20, Started, Continue),
            (20 + COMMAND, Deadline, STOP),
            (121, Frame, Continue),
            (123, Exited, Continue),
            (124, Done, Kill),
        ]);
        assert_eq!(cause, Some(Cause::Timeout));
    }

    #[test]
    fn a_guest_that_does_not_obey_is_killed() {
        let cause = play(&[
            (0, Started, Continue),
            (COMMAND, Deadline, STOP),
            (110, Frame, Continue),
            (COMMAND + GRACE + 10, Deadline, Kill),
        ]);
        assert_eq!(cause, Some(Cause::Timeout));
    }

    #[test]
    fn one_interrupt_stops_and_two_abandon() {
        let cause = play(&[
            (1, Started, Continue),
            (2, Interrupt(Signal::SIGINT), STOP),
            (3, Interrupt(Signal::SIGINT), Abandon),
        ]);
        assert_eq!(cause, Some(Cause::Interrupted(Signal::SIGINT)));
    }

    #[test]
    fn an_interrupt_while_booting_kills() {
        let cause = play(&[(1, Interrupt(Signal::SIGTERM), Kill)]);
        assert_eq!(cause, Some(Cause::Interrupted(Signal::SIGTERM)));
    }

    #[test]
    fn an_interrupt_shortens_the_grace_of_a_timeout() {
        let cause = play(&[
            (0, Started, Continue),
            (COMMAND, Deadline, STOP),
            (101, Interrupt(Signal::SIGINT), STOP_NOW),
            (102, Exited, Continue),
            (103, Done, Kill),
        ]);
        assert_eq!(cause, Some(Cause::Interrupted(Signal::SIGINT)));
    }

    #[test]
    fn a_silent_guest_is_not_waited_for() {
        let cause = play(&[
            (0, Started, Continue),
            (1, Exited, Continue),
            (20, Frame, Continue),
            (30, Aside, Continue),
            (20 + BOOT, Deadline, Kill),
        ]);
        assert_eq!(cause, Some(Cause::Stalled));
    }

    #[test]
    fn an_interrupt_bounds_the_collection() {
        let cause = play(&[
            (0, Started, Continue),
            (1, Exited, Continue),
            (2, Interrupt(Signal::SIGINT), Continue),
            (5, Frame, Continue),
            (12, Deadline, Kill),
        ]);
        assert_eq!(cause, Some(Cause::Interrupted(Signal::SIGINT)));
    }
}
