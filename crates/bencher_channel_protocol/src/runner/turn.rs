//! Whose turn it is where a machine has several runners. A job that waits for its machine waits with a pull
//! token that ends, and no other runner can have it meanwhile: so none is asked for until the machine is free.
//!
//! ```text
//!                           another one's
//!  unknown ─────► seen to ────────────────► taken ── for a while ──► asleep: no connection
//!     ▲            │    ▲                     │                        │
//!     │       free │    └─────────────────────┴────────────────────────┘ each second
//!     └─ ready ────┘
//! ```
//!
//! A server ends a connection on which nobody asks, so a runner that waits longer has none.
//!
//! Two that ask at the same time may get a job each all the same. Then the driver lets one wait.

use std::time::Duration;

use super::{Activity, Effect, Level, Machine, Timer};

/// How long it takes until it is looked again whether the machine is free.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How often it is looked on one connection: a server may end one that is silent for 30 s.
const MOST_LOOKS: u32 = 20;

/// Whose turn it is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It has to be looked.
    #[default]
    Unknown,
    /// The driver was told to look.
    Asked {
        /// How often in a row it was another runner's.
        looks: u32,
    },
    /// Nobody's, just now.
    Free,
    /// Another runner's.
    Taken {
        /// How often in a row that was seen.
        looks: u32,
    },
}

impl Machine {
    /// Whether the machine is known to be free. If not, that is seen to.
    pub(super) fn is_machine_free(&mut self) -> bool {
        match self.turn {
            Turn::Free => return true,
            Turn::Unknown => self.see_turn(0),
            Turn::Asked { .. } => {}
            Turn::Taken { looks } if looks >= MOST_LOOKS => self.fall_asleep(),
            Turn::Taken { .. } => {}
        }
        false
    }

    fn see_turn(&mut self, looks: u32) {
        self.turn = Turn::Asked { looks };
        self.effect(Effect::SeeTurn);
    }

    /// It was looked whether the machine is free.
    pub(super) fn turn_was_seen(&mut self, is_free: bool) {
        let Turn::Asked { looks } = self.turn else {
            return;
        };
        if is_free {
            self.was_turn_told = false;
            // Who has to connect before it can ask looks once more.
            self.turn = match self.link {
                Some(_) => Turn::Free,
                None => Turn::Unknown,
            };
            if self.obstacle().is_none() {
                self.wake();
            }
        } else {
            if !std::mem::replace(&mut self.was_turn_told, true) {
                self.say(
                    Level::Info,
                    "a job of another runner runs on this machine, or is about to: none is asked for until \
                     it is this one's turn",
                );
            }
            self.turn = Turn::Taken {
                looks: looks.saturating_add(1),
            };
            self.arm(Timer::Turn, LOOK_AGAIN);
        }
        self.go_on();
    }

    /// It is time to look again.
    pub(super) fn turn_is_due(&mut self) {
        let Turn::Taken { looks } = self.turn else {
            return;
        };
        if self.activity == Activity::Updating {
            self.turn = Turn::Unknown;
        } else {
            self.see_turn(looks);
        }
    }

    /// What was seen holds for what is done at once.
    pub(super) fn turn_may_have_changed(&mut self) {
        if self.turn == Turn::Free {
            self.turn = Turn::Unknown;
        }
    }
}
