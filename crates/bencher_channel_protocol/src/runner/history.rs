//! What came of earlier connections, and what the user is told of it.

use super::{Ending, Level, Machine};
use crate::{CloseReason, Excerpt};

/// First connections that end at once, before it is said that the key or the runner is wrong.
const SUSPICIOUS: u32 = 3;

/// Every so many failures in a row are told again: with the longest delay that is every 6 to 9 minutes.
const TELL_AGAIN: u32 = 16;

/// What to look at where a server does not take a runner.
const ADVICE: &str = "check --host, --runner and --key";

/// What came of earlier connections.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Connections in a row that came to nothing.
    pub(super) failures: u32,
    /// Whether the server has ever said anything.
    pub(super) was_heard: bool,
    /// Whether a failure in a row was told.
    was_told: bool,
    /// Whether the user knows that there is a connection, and of no loss of it.
    pub(super) is_connection_told: bool,
}

impl History {
    /// A connection has come to something.
    pub(super) fn is_well(&mut self) {
        self.failures = 0;
        self.was_told = false;
    }
}

impl Ending {
    /// Whether the server has closed the connection in favour of another one of the same runner.
    pub(super) fn is_replacement(&self) -> bool {
        matches!(self, Self::Closed { code: 1008, reason } if reason == crate::REPLACED)
    }
}

impl Machine {
    /// Why there is no use in trying again: the server says so, or is none, and never said anything else.
    pub(super) fn refusal(&self, ending: &Ending) -> Option<String> {
        if self.history.was_heard || self.work.is_some() {
            return None;
        }
        // One that is only tried comes from one that was heard: it tries until that one's patience ends.
        if self.settings.is_trial {
            return None;
        }
        if let Ending::Foreign(what) = ending {
            return Some(what.clone());
        }
        let what = unwanted(ending)?;
        Some(format!("the server refuses this runner: {what}: {ADVICE}"))
    }

    pub(super) fn tell(&mut self, ending: &Ending, ended_at_once: bool) {
        let failures = self.history.failures;
        let is_time = failures > 0 && failures.is_multiple_of(TELL_AGAIN);
        let was_connection_told = std::mem::take(&mut self.history.is_connection_told);
        if ended_at_once && !self.history.was_heard && failures.is_multiple_of(SUSPICIOUS) {
            self.say(
                Level::Warning,
                format!(
                    "the last {failures} connections ended before the server said anything: the key \
                     or the runner is probably wrong ({ADVICE})"
                ),
            );
            return;
        }
        if ended_at_once && is_time {
            self.say(
                Level::Warning,
                format!(
                    "the last {failures} connections came to nothing, though there were good ones \
                     before: the server may be in trouble, or the key was changed there ({ADVICE})"
                ),
            );
            return;
        }
        let is_first = !std::mem::replace(&mut self.history.was_told, true);
        let level = if is_first || is_time {
            Level::Warning
        } else {
            // Who does not hear of a loss needs not hear that it is over.
            self.history.is_connection_told = was_connection_told;
            Level::Debug
        };
        self.say(level, format!("{}: connecting again", describe(ending)));
    }
}

/// What a server does not want that refuses a connection.
fn unwanted(ending: &Ending) -> Option<&'static str> {
    match ending {
        Ending::Refused { status: 401 | 403 } => {
            Some("the key is wrong, or that of another runner")
        }
        Ending::Refused { status: 404 } => Some("there is no such runner, or no such server"),
        _ => None,
    }
}

fn describe(ending: &Ending) -> String {
    if let Some(what) = unwanted(ending) {
        return format!("the server refuses this runner by now: {what} ({ADVICE})");
    }
    match ending {
        Ending::Foreign(what) => what.clone(),
        Ending::Unreachable(error) => format!("the server can not be reached ({error})"),
        Ending::Refused { status } => format!("the server answers with the HTTP status {status}"),
        Ending::EndOfFile => "the server ended the connection without a word".to_owned(),
        Ending::Reset(error) => format!("the connection failed ({error})"),
        Ending::Closed { code, reason } => match CloseReason::parse(reason) {
            Some(CloseReason::HeartbeatTimeout) => {
                "the server missed heartbeats and closed the connection".to_owned()
            }
            Some(reason) => format!("the server closed the connection ({reason})"),
            None => format!(
                "the server closed the connection (code {code}, {})",
                Excerpt::new(reason)
            ),
        },
    }
}
