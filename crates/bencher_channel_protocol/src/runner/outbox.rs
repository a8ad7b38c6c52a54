//! What is known of terminal messages that were not acknowledged. The messages themselves are on disk:
//! there may be many, each as long as the server takes.

use std::collections::VecDeque;

use uuid::Uuid;

use super::Letter;
use crate::Terminal;

/// The least that a message is cut to after the server has ended connections over it, in bytes.
const LEAST_LIMIT: usize = 64 * 1024;

/// What is known of a letter without opening it.
#[derive(Debug)]
pub(super) struct Envelope {
    job: Uuid,
    /// Whether something was left out of it when it was written.
    was_cut: bool,
    /// Whether the server does not know that the job runs; `None` where the letter alone says so.
    needs_running: Option<bool>,
    /// How long the text may be.
    limit: usize,
    /// How long it was when it was last sent.
    length: usize,
    /// How often it did not arrive.
    pub(super) attempts: u32,
    /// Whether it waits until the server has nothing else for the runner.
    pub(super) is_held: bool,
    /// The letter, where it could not be written to disk.
    pub(super) unsaved: Option<Letter>,
    /// Whether that was ever so.
    pub(super) was_unsaved: bool,
}

impl Envelope {
    /// That of a letter that is on disk, of which nothing else is known.
    pub(super) fn sealed(job: Uuid, limit: usize) -> Self {
        Self {
            job,
            was_cut: false,
            needs_running: None,
            limit,
            length: 0,
            attempts: 0,
            is_held: false,
            unsaved: None,
            was_unsaved: false,
        }
    }

    /// That of a letter that is about to be put to disk.
    pub(super) fn of(letter: &Letter, limit: usize) -> Self {
        Self {
            was_cut: letter.was_cut(),
            needs_running: Some(letter.needs_running()),
            ..Self::sealed(letter.job(), limit)
        }
    }

    /// Another letter is in it.
    pub(super) fn is_refilled(&mut self, letter: &Letter) {
        self.was_cut = letter.was_cut();
        self.needs_running = Some(letter.needs_running());
    }

    /// The text to send of the letter that is in it, whether something is missing in that, and whether
    /// `running` is to be sent before it. Where that has not helped it is left out, and tried again: a
    /// server that does not know the job wants none.
    pub(super) fn address(&mut self, letter: &Letter) -> Addressed {
        let (text, is_cut) = letter.text(self.limit);
        self.length = text.len();
        let is_completed = matches!(letter.terminal(), Terminal::Completed { .. });
        let needs_running = self.needs_running.unwrap_or(letter.needs_running());
        Addressed {
            text,
            is_cut: is_cut || self.was_cut,
            is_after_running: is_completed && needs_running && self.attempts.is_multiple_of(2),
        }
    }

    /// The server has given the job out once more, and does not know that it ran.
    pub(super) fn is_claimed_again(&mut self) {
        self.needs_running = Some(true);
        self.attempts = 0;
        self.is_held = false;
    }

    pub(super) fn running_was_acknowledged(&mut self) {
        self.needs_running = Some(false);
    }

    /// It has not arrived once more.
    pub(super) fn is_back(&mut self) {
        self.attempts = self.attempts.saturating_add(1);
    }

    /// The server has ended connections over it: it may have been too long.
    pub(super) fn shorten(&mut self) {
        if self.length > LEAST_LIMIT {
            self.limit = (self.length / 2).max(LEAST_LIMIT);
        }
    }
}

/// A letter as it is sent.
#[derive(Debug)]
pub(super) struct Addressed {
    pub(super) text: String,
    pub(super) is_cut: bool,
    pub(super) is_after_running: bool,
}

/// Everything that was not acknowledged, the oldest first.
#[derive(Debug)]
pub(super) struct Outbox {
    envelopes: VecDeque<Envelope>,
}

impl Outbox {
    /// The outbox of letters that are on disk, for a server that takes messages of at most `limit` bytes.
    pub(super) fn new(jobs: Vec<Uuid>, limit: usize) -> Self {
        let jobs = jobs.into_iter();
        Self {
            envelopes: jobs.map(|job| Envelope::sealed(job, limit)).collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.envelopes.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.envelopes.len()
    }

    /// Whether there is something that the server is to hear as soon as possible.
    pub(super) fn has_urgent(&self) -> bool {
        self.envelopes.iter().any(|envelope| !envelope.is_held)
    }

    /// Whether there is something that is not on disk.
    pub(super) fn has_unsaved(&self) -> bool {
        self.envelopes
            .iter()
            .any(|envelope| envelope.unsaved.is_some())
    }

    /// The same of what the server is to hear as soon as possible.
    pub(super) fn has_urgent_unsaved(&self) -> bool {
        let mut urgent = self.envelopes.iter().filter(|envelope| !envelope.is_held);
        urgent.any(|envelope| envelope.unsaved.is_some())
    }

    /// What is not on disk, to be put there.
    pub(super) fn take_unsaved(&mut self) -> Vec<Letter> {
        let envelopes = self.envelopes.iter_mut();
        envelopes
            .filter_map(|envelope| envelope.unsaved.take())
            .collect()
    }

    /// The letter that is sent next. One that has ended connections comes after those that have not: it
    /// must not keep them from arriving.
    pub(super) fn next(&self, is_held: bool) -> Option<Uuid> {
        let candidates = self
            .envelopes
            .iter()
            .filter(|envelope| envelope.is_held == is_held);
        let first = candidates.min_by_key(|envelope| envelope.attempts);
        first.map(|envelope| envelope.job)
    }

    pub(super) fn of(&mut self, job: Uuid) -> Option<&mut Envelope> {
        self.envelopes
            .iter_mut()
            .find(|envelope| envelope.job == job)
    }

    pub(super) fn put(&mut self, envelope: Envelope) {
        self.envelopes.push_back(envelope);
    }

    pub(super) fn take(&mut self, job: Uuid) -> Option<Envelope> {
        let position = self
            .envelopes
            .iter()
            .position(|envelope| envelope.job == job)?;
        self.envelopes.remove(position)
    }

    /// Another program has had the outbox: `jobs` are those whose letters are on disk by now.
    pub(super) fn is_found(&mut self, jobs: &[Uuid], limit: usize) {
        self.envelopes
            .retain(|envelope| envelope.unsaved.is_some() || jobs.contains(&envelope.job));
        for job in jobs {
            if self.of(*job).is_none() {
                self.put(Envelope::sealed(*job, limit));
            }
        }
    }
}
