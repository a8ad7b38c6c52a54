//! Terminal messages: sent, acknowledged, sent again.

use uuid::Uuid;

use super::link::{Delivery, Expected};
use super::{ACKNOWLEDGE_WITHIN, Effect, Letter, Level, MOST_LETTERS, Machine, Timer};
use crate::{RunnerMessage, Terminal};

impl Machine {
    /// Puts the last message about a job into the outbox, on disk first, and sends it if it can.
    pub(super) fn post(&mut self, terminal: Terminal, needs_running: bool) {
        let letter = Letter::new(terminal, needs_running, self.settings.message_limit);
        self.effect(Effect::Persist(letter.clone()));
        self.put(letter, false);
    }

    /// Puts a letter that is on disk into the outbox. Where the server has given the job out on this
    /// connection, and nothing was said about it, it is as on a new one.
    pub(super) fn put(&mut self, letter: Letter, is_new_connection: bool) {
        if self.outbox.len() >= MOST_LETTERS
            && let Some(oldest) = self.outbox.pop_front()
        {
            let job = oldest.job();
            self.effect(Effect::Forget(job));
            self.say(
                Level::Warning,
                format!(
                    "the end of the job {job} is given up: the server has acknowledged none of \
                     {MOST_LETTERS} jobs"
                ),
            );
        }
        self.outbox.push_back(letter);
        if self.link.is_some() {
            let last = self.outbox.len() - 1;
            self.send(last, is_new_connection);
            self.wait_for_acknowledgements(Delivery::Fresh);
        }
    }

    /// Sends everything that was not acknowledged, on a new connection.
    pub(super) fn deliver_all(&mut self) {
        for position in 0..self.outbox.len() {
            self.send(position, true);
        }
        if !self.outbox.is_empty() {
            self.wait_for_acknowledgements(Delivery::Left);
        }
    }

    /// Sends a letter. On the connection on which the job ran `running` was sent already.
    fn send(&mut self, position: usize, is_new_connection: bool) {
        let letter = &mut self.outbox[position];
        letter.is_sent = true;
        let job = letter.job();
        let is_after_running = is_new_connection && letter.is_after_running();
        let (text, is_cut) = letter.text();
        if is_after_running {
            self.send_expecting(RunnerMessage::Running, Expected::Running(job));
        }
        if is_cut {
            self.say(
                Level::Warning,
                format!("the result of the job {job} was cut: it is longer than the server takes"),
            );
        }
        self.effect(Effect::Deliver { job, text });
        if let Some(link) = &mut self.link {
            link.expected.push_back(Expected::Terminal(job));
        }
    }

    pub(super) fn send_expecting(&mut self, message: RunnerMessage, expected: Expected) {
        if let Some(link) = &mut self.link {
            link.expected.push_back(expected);
            self.effect(Effect::Send(message));
        }
    }

    fn wait_for_acknowledgements(&mut self, delivery: Delivery) {
        if let Some(link) = &mut self.link {
            link.delivery = Some(delivery);
            self.arm(Timer::Acknowledge, ACKNOWLEDGE_WITHIN);
        }
    }

    /// The server has acknowledged something: what it was sent first.
    pub(super) fn acknowledged(&mut self, named: Option<Uuid>) {
        let Some(link) = &mut self.link else {
            return;
        };
        let Some(expected) = link.expected.pop_front() else {
            return;
        };
        match expected {
            Expected::Heartbeat => {}
            Expected::Running(job) => self.running_was_acknowledged(job),
            Expected::Terminal(job) => {
                // The name decides between terminal messages, if there is one.
                let named = named.filter(|named| {
                    let letters = &mut self.outbox.iter();
                    letters.any(|letter| letter.is_sent && letter.job() == *named)
                });
                self.forget(named.unwrap_or(job));
            }
        }
    }

    fn running_was_acknowledged(&mut self, job: Uuid) {
        if let Some(work) = self.work.as_mut().filter(|work| work.job == job) {
            work.is_running_known = true;
        }
        for letter in self.outbox.iter_mut().filter(|letter| letter.job() == job) {
            letter.running_was_acknowledged();
        }
    }

    fn forget(&mut self, job: Uuid) {
        let before = self.outbox.len();
        self.outbox.retain(|letter| letter.job() != job);
        if self.outbox.len() == before {
            return;
        }
        self.effect(Effect::Forget(job));
        self.say(
            Level::Debug,
            format!("the server has the end of the job {job}"),
        );
        if !self.outbox.iter().any(|letter| letter.is_sent) {
            self.end_delivery();
        }
    }

    fn end_delivery(&mut self) {
        if let Some(link) = &mut self.link
            && link.delivery.take().is_some()
        {
            self.disarm(Timer::Acknowledge);
        }
        self.go_on();
    }

    /// An acknowledgement has not come in time. On a new connection everything is sent anew, as the
    /// first thing there; if that does not help either, the server is asked for a job all the same, and
    /// the message is kept for the next connection.
    pub(super) fn not_acknowledged(&mut self) {
        let Some(delivery) = self.link.as_ref().and_then(|link| link.delivery) else {
            return;
        };
        if self.stopping.is_ordered() && self.work.is_none() {
            self.end_of_stop();
            return;
        }
        match delivery {
            Delivery::Fresh => {
                self.say(
                    Level::Warning,
                    "the server has not acknowledged the end of a job: connecting again",
                );
                self.hang_up();
            }
            Delivery::Left => {
                self.say(
                    Level::Warning,
                    "the server does not acknowledge the end of an earlier job: it is kept",
                );
                self.end_delivery();
            }
        }
    }
}
