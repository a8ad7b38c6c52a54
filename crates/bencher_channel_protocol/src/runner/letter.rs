//! Terminal messages, as they are kept on disk until they are acknowledged.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RunnerMessage, Terminal};

/// A terminal message that was not acknowledged yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// As long as the server takes messages: no more of it is kept.
    terminal: Terminal,
    /// Whether something was left out of it for that.
    was_cut: bool,
    /// Whether the server had not acknowledged that the job runs: it takes no `completed` before.
    needs_running: bool,
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
        }
    }

    /// What is to be on disk while a job runs: if the runner is started anew and finds it there, the job
    /// ended with the one before.
    pub fn abandoned(job: Uuid, limit: usize) -> Self {
        let error = "the runner ended while the job ran, and was started again";
        Self::failed(job, error.to_owned(), limit)
    }

    /// What takes the place of a letter that can not be read any more.
    pub(super) fn lost(job: Uuid, reason: &str, limit: usize) -> Self {
        let error = format!("the job has ended, but the runner has lost its result: {reason}");
        Self::failed(job, error, limit)
    }

    fn failed(job: Uuid, error: String, limit: usize) -> Self {
        let failed = Terminal::Failed {
            job,
            results: Vec::new(),
            error,
            evidence: None,
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

    pub(super) fn was_cut(&self) -> bool {
        self.was_cut
    }

    pub(super) fn needs_running(&self) -> bool {
        self.needs_running
    }

    /// The letter as the text of a file, of at most [`Letter::longest_file`] bytes.
    pub fn to_file(&self) -> String {
        crate::decode::encode(&Kept {
            needs_running: self.needs_running,
            message: RunnerMessage::from(self.terminal.clone()).encode(),
        })
    }

    /// How long the file of a letter may be, in bytes, whose message has at most `limit`: each of them may
    /// need another one before it.
    pub const fn longest_file(limit: usize) -> usize {
        limit.saturating_mul(2).saturating_add(64)
    }

    /// The letter that a file holds, for a server that takes messages of at most `limit` bytes; `None`
    /// if it holds none.
    pub fn from_file(text: &str, limit: usize) -> Option<Self> {
        let kept: Kept = serde_json::from_str(text).ok()?;
        let message = RunnerMessage::decode(&kept.message).ok()?;
        let terminal = message.into_terminal().ok()?;
        Some(Self::new(terminal, kept.needs_running, limit))
    }

    /// The text to send, of at most `limit` bytes, and whether something is missing in it.
    pub(super) fn text(&self, limit: usize) -> (String, bool) {
        match self.terminal.clone().encode_within(limit) {
            Ok(encoded) => (encoded.text, encoded.is_cut || self.was_cut),
            Err(_) => (RunnerMessage::from(self.terminal.clone()).encode(), false),
        }
    }
}
