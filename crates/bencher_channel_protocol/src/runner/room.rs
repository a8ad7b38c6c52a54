//! Room on disk for what comes of a job. A job is asked for only where there is some: what it would cost
//! to run it would be lost otherwise.
//!
//! ```text
//!             made                                         job
//!  unknown ─────────► made ── ready ──► unknown … ──────────────────► (its letter has the room)
//!     ▲  │
//!     │  │ none      nothing to send
//!     │  └─────────► missing ─────────► asleep: no connection
//!     │                │
//!     └────────────────┘ after a while, or when a letter was acknowledged
//! ```
//!
//! A runner that may not ask and has nothing to say has no use for a connection: a server ends one on which
//! nobody asks. It connects again when there is room, or a letter that is held back is due.

use std::time::Duration;

use super::{Activity, Effect, Letter, Level, MOST_LETTERS, Machine, Timer};

/// How long it takes until it is looked again whether there is room.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// Room for what comes of the next job.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It has to be made, or looked at.
    #[default]
    Unknown,
    /// The driver was told to make it.
    Asked,
    /// It is there.
    Made,
    /// There is none, or something could not be written.
    Missing,
}

impl Machine {
    /// Why a job could not be run, or what comes of it not be kept, as far as that is known.
    pub(super) fn obstacle(&self) -> Option<String> {
        if let Some(doubt) = self.host.doubt() {
            Some(format!("the runner's host can not run jobs now ({doubt})"))
        } else if self.outbox.len() >= MOST_LETTERS {
            Some(format!(
                "the server has not taken the ends of {MOST_LETTERS} jobs, and more are not kept"
            ))
        } else if self.room == Room::Missing || self.outbox.has_unsaved() {
            Some("there is no room for its end on the runner's disk".to_owned())
        } else {
            None
        }
    }

    /// Asks for a job, if it can be run and what comes of it be kept.
    pub(super) fn ask_if_there_is_room(&mut self) {
        if self.host.doubt().is_some() {
            self.fall_asleep();
            return;
        }
        if self.outbox.len() >= MOST_LETTERS {
            self.say(
                Level::Warning,
                format!(
                    "the server has not taken the ends of {MOST_LETTERS} jobs: they are sent now and then, \
                     and no job is asked for until it has taken one"
                ),
            );
            self.fall_asleep();
            return;
        }
        match self.room {
            Room::Unknown => {
                self.room = Room::Asked;
                self.effect(Effect::MakeRoom);
            }
            Room::Asked => {}
            Room::Made => {
                // The next time it is looked again.
                self.room = Room::Unknown;
                self.ask();
            }
            Room::Missing => self.fall_asleep(),
        }
    }

    /// There is room for what comes of a job, or none.
    pub(super) fn room_was_made(&mut self, made: Result<(), String>) {
        if self.room != Room::Asked {
            return;
        }
        match made {
            Ok(()) if self.outbox.has_unsaved() => self.room_is_missing(),
            Ok(()) => {
                if std::mem::take(&mut self.was_room_missing) {
                    self.say(
                        Level::Info,
                        "there is room for the end of a job on disk again",
                    );
                }
                self.room = Room::Made;
                if self.obstacle().is_none() {
                    self.wake();
                }
            }
            Err(error) => {
                if !std::mem::replace(&mut self.was_room_missing, true) {
                    self.say(
                        Level::Warning,
                        format!(
                            "there is no room on disk for the end of a job: no job is asked for until \
                             there is ({error})"
                        ),
                    );
                }
                self.room_is_missing();
            }
        }
        self.go_on();
    }

    fn room_is_missing(&mut self) {
        self.room = Room::Missing;
        self.arm(Timer::Room, LOOK_AGAIN);
    }

    /// A letter could not be written.
    pub(super) fn not_persisted(&mut self, letter: Letter, error: &str) {
        let job = letter.job();
        // What was acknowledged meanwhile does not have to be written.
        let Some(envelope) = self.outbox.of(job) else {
            return;
        };
        envelope.unsaved = Some(letter);
        self.was_room_missing = true;
        if !std::mem::replace(&mut envelope.was_unsaved, true) {
            self.say(
                Level::Warning,
                format!(
                    "the end of the job {job} can not be written to disk: it is in memory until it can, or \
                     the server has it, and no job is asked for until then ({error})"
                ),
            );
        }
        self.room_is_missing();
    }

    /// It is time to look again. While a job runs its peace counts more.
    pub(super) fn room_is_due(&mut self) {
        if self.room == Room::Missing {
            self.room = Room::Unknown;
        }
        if self.work.is_some() || self.activity == Activity::Updating {
            return;
        }
        self.persist_unsaved();
        if self.room == Room::Unknown {
            self.room = Room::Asked;
            self.effect(Effect::MakeRoom);
        }
    }

    /// Tries once more to put to disk what is not there.
    pub(super) fn persist_unsaved(&mut self) {
        for letter in self.outbox.take_unsaved() {
            self.effect(Effect::Persist(letter));
        }
    }

    /// A letter was acknowledged, which needs no room any more.
    pub(super) fn room_may_be_there(&mut self) {
        if self.room == Room::Missing {
            self.room = Room::Unknown;
        }
    }

    /// Whether a connection would be of no use now: there is nothing to send, and nothing to ask for.
    pub(super) fn is_of_no_use(&self) -> bool {
        self.obstacle().is_some() && !self.retry.is_due()
    }

    /// Ends the connection until there is something to say, or to ask for.
    fn fall_asleep(&mut self) {
        self.effect(Effect::Disconnect);
        self.history.is_connection_told = false;
        self.lost();
        self.activity = Activity::Asleep;
    }

    /// Connects, if there was no use in that until now.
    pub(super) fn wake(&mut self) {
        if self.activity == Activity::Asleep {
            self.activity = Activity::Serving;
            self.effect(Effect::Connect {
                after: Duration::ZERO,
                spread: Duration::ZERO,
            });
        }
    }
}
