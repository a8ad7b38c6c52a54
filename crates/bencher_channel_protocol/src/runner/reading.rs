//! Letters are read from disk when their turn has come.
//!
//! One that can not be read is held back. One that is lost, since its file is gone or damaged, has become a
//! failure that says so. The disk may answer late, and on another connection than the one for which it was
//! asked: what counts is the last answer.

use uuid::Uuid;

use super::{Effect, Letter, Level, Machine, NotLoaded};

impl Machine {
    /// Asks the disk for a letter.
    pub(super) fn read(&mut self, job: Uuid) {
        *self.reading.entry(job).or_default() += 1;
        self.effect(Effect::Load(job));
    }

    /// A letter was read, or could not be: whether that is the answer to the last time that it was asked
    /// for, and not to an earlier one, which says nothing of what is on disk now.
    fn is_news(&mut self, job: Uuid) -> bool {
        let Some(count) = self.reading.get_mut(&job) else {
            return false;
        };
        *count -= 1;
        let is_last = *count == 0;
        if is_last {
            self.reading.remove(&job);
        }
        is_last
    }

    /// A letter was read from disk. It is of no use any more if it has lost its turn with a connection.
    pub(super) fn loaded(&mut self, letter: &Letter) {
        let job = letter.job();
        if self.is_news(job)
            && self.is_awaited(job)
            && let Some(addressed) = self.address(letter)
        {
            self.dispatch(job, addressed);
        }
    }

    /// A letter could not be read from disk.
    pub(super) fn not_loaded(&mut self, job: Uuid, problem: &NotLoaded) {
        if !self.is_news(job) || !self.is_awaited(job) || self.send_unsaved(job) {
            return;
        }
        match problem {
            NotLoaded::Lost(reason) => self.replace_lost(job, reason),
            NotLoaded::Unreadable(error) => {
                if let Some(link) = &mut self.link {
                    link.on_its_way = None;
                }
                self.say(
                    Level::Warning,
                    format!(
                        "the end of the job {job} can not be read from disk, and is sent later: {error}"
                    ),
                );
                if let Some(envelope) = self.outbox.of(job) {
                    let was_held = std::mem::replace(&mut envelope.is_held, true);
                    envelope.is_back();
                    self.has_to_wait(was_held);
                }
                self.deliver();
                self.go_on();
            }
        }
    }

    /// A letter will never be read again: the server hears that it is lost, instead of nothing.
    fn replace_lost(&mut self, job: Uuid, reason: &str) {
        self.say(
            Level::Warning,
            format!(
                "the end of the job {job} is lost, and the server is told that the job has failed: {reason}"
            ),
        );
        let letter = Letter::lost(job, reason, self.settings.message_limit);
        if let Some(envelope) = self.outbox.of(job) {
            envelope.is_refilled(&letter);
            let addressed = envelope.address(&letter);
            self.effect(Effect::Persist(letter));
            self.dispatch(job, addressed);
        }
    }

    /// Whether it is the turn of a letter that is being read.
    fn is_awaited(&self, job: Uuid) -> bool {
        let on_its_way = self.link.as_ref().and_then(|link| link.on_its_way);
        on_its_way.is_some_and(|on_its_way| on_its_way.job == job && !on_its_way.is_sent)
    }
}
