//! Terminal messages on their way.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RunnerMessage, Terminal};

/// The least that a message is cut to after the server has ended connections over it, in bytes.
const LEAST_LIMIT: usize = 64 * 1024;

/// A terminal message that was not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// As long as the server takes messages: no more of it is kept.
    terminal: Terminal,
    /// Whether something was left out of it for that.
    was_cut: bool,
    /// Whether the server has not acknowledged that the job runs: it takes no `completed` before.
    needs_running: bool,
    /// How long the text may be.
    limit: usize,
    /// How often connections ended over it.
    pub(super) attempts: u32,
    /// Whether it waits until the server has nothing else for the runner.
    pub(super) is_held: bool,
}

/// What is kept of a letter over restarts.
#[derive(Serialize, Deserialize)]
struct Kept {
    needs_running: bool,
    /// A message of the protocol.
    message: String,
}

impl Letter {
    /// A letter with a message of at most `limit` bytes. A limit that is too small for any message is
    /// passed over.
    pub(super) fn new(terminal: Terminal, needs_running: bool, limit: usize) -> Self {
        let cut = terminal
            .clone()
            .encode_within(limit)
            .ok()
            .filter(|encoded| encoded.is_cut)
            .and_then(|encoded| RunnerMessage::decode(&encoded.text).ok())
            .and_then(|message| message.into_terminal().ok());
        Self {
            was_cut: cut.is_some(),
            terminal: cut.unwrap_or(terminal),
            needs_running,
            limit,
            attempts: 0,
            is_held: false,
        }
    }

    /// What is to be on disk while a job runs: if the runner is started anew and finds it there, the job
    /// ended with the one before.
    pub fn abandoned(job: Uuid, limit: usize) -> Self {
        let failed = Terminal::Failed {
            job,
            results: Vec::new(),
            error: "the runner ended while the job ran, and was started again".to_owned(),
        };
        Self::new(failed, false, limit)
    }

    /// The job.
    pub fn job(&self) -> Uuid {
        self.terminal.job()
    }

    /// The message, as it is if the server takes it at all.
    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// The letter as the text of a file: that is at most some times as long as a message.
    pub fn to_file(&self) -> String {
        crate::decode::encode(&Kept {
            needs_running: self.needs_running,
            message: RunnerMessage::from(self.terminal.clone()).encode(),
        })
    }

    /// The letter that a file holds, for a server that takes messages of at most `limit` bytes; `None`
    /// if it holds none.
    pub fn from_file(text: &str, limit: usize) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        let message = RunnerMessage::decode(&kept.message).ok()?;
        let terminal = message.into_terminal().ok()?;
        Some(Self::new(terminal, kept.needs_running, limit))
    }

    /// Whether `running` is to be sent before it. Where that has not helped it is left out, and tried
    /// again: a server that does not know the job wants none.
    pub(super) fn is_after_running(&self) -> bool {
        let is_completed = matches!(self.terminal, Terminal::Completed { .. });
        is_completed && self.needs_running && self.attempts.is_multiple_of(2)
    }

    /// The server has given the job out once more, and does not know that it ran.
    pub(super) fn is_claimed_again(&mut self) {
        self.needs_running = true;
        self.attempts = 0;
        self.is_held = false;
    }

    pub(super) fn running_was_acknowledged(&mut self) {
        self.needs_running = false;
    }

    /// The text to send, and whether something is missing in it.
    pub(super) fn text(&self) -> (String, bool) {
        match self.terminal.clone().encode_within(self.limit) {
            Ok(encoded) => (encoded.text, encoded.is_cut || self.was_cut),
            Err(_) => (RunnerMessage::from(self.terminal.clone()).encode(), false),
        }
    }

    /// The server has ended connections over it: it may have been too long.
    pub(super) fn shorten(&mut self) {
        let length = self.text().0.len();
        if length > LEAST_LIMIT {
            self.limit = (length / 2).max(LEAST_LIMIT);
        }
    }
}

/// Everything that was not acknowledged, the oldest first.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    letters: VecDeque<Letter>,
}

impl Outbox {
    pub(super) fn new(letters: Vec<Letter>) -> Self {
        Self {
            letters: letters.into(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.letters.len()
    }

    /// Whether there is something that the server is to hear as soon as possible.
    pub(super) fn has_urgent(&self) -> bool {
        self.letters.iter().any(|letter| !letter.is_held)
    }

    /// The letter that is sent next. One that has ended connections comes after those that have not: it
    /// must not keep them from arriving.
    pub(super) fn next(&self, is_held: bool) -> Option<Uuid> {
        let candidates = self
            .letters
            .iter()
            .filter(|letter| letter.is_held == is_held);
        let first = candidates.min_by_key(|letter| letter.attempts);
        first.map(Letter::job)
    }

    pub(super) fn of(&mut self, job: Uuid) -> Option<&mut Letter> {
        self.letters.iter_mut().find(|letter| letter.job() == job)
    }

    pub(super) fn put(&mut self, letter: Letter) {
        self.letters.push_back(letter);
    }

    pub(super) fn take(&mut self, job: Uuid) -> Option<Letter> {
        let position = self.letters.iter().position(|letter| letter.job() == job)?;
        self.letters.remove(position)
    }

    pub(super) fn take_oldest(&mut self) -> Option<Letter> {
        self.letters.pop_front()
    }
}
