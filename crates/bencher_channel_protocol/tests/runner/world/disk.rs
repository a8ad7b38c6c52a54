//! A disk that is full, ill, or somebody else's as well.

use std::collections::{BTreeSet, VecDeque};

use bencher_channel_protocol::Uuid;
use bencher_channel_protocol::runner::{Input, Letter, NotLoaded};

use super::World;

/// What a disk does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Health {
    /// What it is told to.
    #[default]
    Good,
    /// It takes nothing.
    Full,
    /// It neither takes nor gives anything.
    Ill,
}

/// Letters on disk.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    pub(super) health: Health,
    /// By job, the oldest first.
    letters: Vec<(Uuid, String)>,
    /// What could not be written, and is in memory alone.
    pub(super) unsaved: BTreeSet<Uuid>,
    /// Whose files somebody has removed.
    pub(super) lost: BTreeSet<Uuid>,
    /// Who could not be read once.
    pub(super) unread: BTreeSet<Uuid>,
    /// Whether the machine knows of room.
    pub(super) has_room: bool,
    /// What the machine has not heard of yet.
    answers: VecDeque<Input>,
}

impl Disk {
    pub(super) fn jobs(&self) -> Vec<Uuid> {
        self.letters.iter().map(|(job, _)| *job).collect()
    }

    pub(super) fn has(&self, job: Uuid) -> bool {
        self.letters.iter().any(|(it, _)| *it == job)
    }

    /// Whether it has a letter, or could not take it.
    pub(super) fn was_told_of(&self, job: Uuid) -> bool {
        self.has(job) || self.unsaved.contains(&job) || self.lost.contains(&job)
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.answers.is_empty()
    }

    pub(super) fn write(&mut self, letter: Letter) {
        let job = letter.job();
        if self.health == Health::Good {
            self.unsaved.remove(&job);
            self.put(&letter);
        } else {
            self.unsaved.insert(job);
            self.answers.push_back(Input::NotPersisted {
                letter,
                error: "full".to_owned(),
            });
        }
    }

    pub(super) fn put(&mut self, letter: &Letter) {
        self.lost.remove(&letter.job());
        self.letters.retain(|(it, _)| *it != letter.job());
        self.letters.push((letter.job(), letter.to_file()));
    }

    pub(super) fn read(&mut self, job: Uuid) {
        let text = self.letters.iter().find(|(it, _)| *it == job);
        let answer = match text {
            _ if self.health == Health::Ill => {
                self.unread.insert(job);
                Err(NotLoaded::Unreadable("ill".to_owned()))
            }
            Some((_, text)) => Ok(Letter::from_file(text, 1 << 20).unwrap()),
            None => Err(NotLoaded::Lost("gone".to_owned())),
        };
        self.answers.push_back(match answer {
            Ok(letter) => Input::Loaded(letter),
            Err(problem) => Input::NotLoaded { job, problem },
        });
    }

    pub(super) fn make_room(&mut self) {
        let made = match self.health {
            Health::Good => Ok(()),
            Health::Full | Health::Ill => Err("full".to_owned()),
        };
        self.answers.push_back(Input::Room(made));
    }

    pub(super) fn remove(&mut self, job: Uuid) {
        self.letters.retain(|(it, _)| *it != job);
        self.unsaved.remove(&job);
        self.lost.remove(&job);
    }

    /// Somebody removes a file.
    pub(super) fn lose(&mut self, job: Uuid) {
        if self.has(job) {
            self.letters.retain(|(it, _)| *it != job);
            self.lost.insert(job);
        }
    }

    /// The oldest, which another program has delivered.
    pub(super) fn take_oldest(&mut self) {
        if !self.letters.is_empty() {
            self.letters.remove(0);
        }
    }

    pub(super) fn after_a_crash(&mut self) -> Self {
        Self {
            health: self.health,
            letters: std::mem::take(&mut self.letters),
            ..Self::default()
        }
    }
}

impl World {
    /// What the disk has done.
    pub(super) fn answer(&mut self) -> Option<Input> {
        let answer = self.disk.answers.pop_front()?;
        match &answer {
            Input::Room(made) => self.disk.has_room = made.is_ok(),
            Input::NotPersisted { .. } => self.disk.has_room = false,
            Input::NotLoaded {
                job,
                problem: NotLoaded::Unreadable(_),
            } => {
                self.owed.remove(job);
                // A job that is given out again is told of again, though it is on its way.
                self.on_its_way = self.on_its_way.filter(|it| it != job);
            }
            _ => {}
        }
        Some(answer)
    }

    /// The same, if something could not be written.
    pub(super) fn urgent_answer(&mut self) -> Option<Input> {
        let is_urgent = |answer: &Input| matches!(answer, Input::NotPersisted { .. });
        let mut answers = self.disk.answers.iter();
        if answers.any(is_urgent) {
            self.answer()
        } else {
            None
        }
    }
}
