//! What is kept of one job.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bencher_channel_protocol::LiveOutput;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Piece;
use super::news::{ServerId, pieces};

/// What is kept of one job, in bytes.
pub(super) const KEPT: usize = 64 * 1024;
/// What a piece costs beside its text, in bytes.
const OVERHEAD: usize = 64;
/// Pieces that a slow watcher may lag behind before it misses some.
const BACKLOG: usize = 256;

/// What one job has written lately.
#[derive(Debug)]
pub(super) struct Written {
    /// With their numbers, where they were written here.
    kept: VecDeque<(Option<u64>, Piece)>,
    cost: usize,
    watchers: broadcast::Sender<Piece>,
    /// The number of the next piece that is written here.
    next: u64,
    /// The server whose pieces come, and the number of the next one.
    heard: Option<(ServerId, u64)>,
    /// Connections of runners that may write it.
    pub(super) writers: usize,
    /// When it was last written or watched.
    used: Instant,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            kept: VecDeque::new(),
            cost: 0,
            watchers: broadcast::Sender::new(BACKLOG),
            next: 0,
            heard: None,
            writers: 0,
            used: Instant::now(),
        }
    }
}

impl Written {
    /// Takes what the job has written here, in pieces that other servers can be told of, and returns
    /// them. Of what is more than is kept it takes the end.
    pub(super) fn write(&mut self, output: &LiveOutput) -> Vec<(u64, Piece)> {
        let mut written = Vec::new();
        for piece in pieces(output, KEPT) {
            let (number, piece) = (self.next, Arc::new(piece));
            self.next += 1;
            self.keep(Some(number), &piece);
            written.push((number, piece));
        }
        written
    }

    /// Takes a piece that was written at another server. One that came already is passed over.
    pub(super) fn hear(&mut self, server: ServerId, number: u64, piece: &Piece) {
        if self
            .heard
            .is_some_and(|(known, next)| known == server && number < next)
        {
            return;
        }
        self.heard = Some((server, number + 1));
        self.keep(None, piece);
    }

    fn keep(&mut self, number: Option<u64>, piece: &Piece) {
        self.used = Instant::now();
        self.cost += piece.text.len() + OVERHEAD;
        self.kept.push_back((number, Arc::clone(piece)));
        while self.cost > KEPT
            && let Some((_, oldest)) = self.kept.pop_front()
        {
            self.cost -= oldest.text.len() + OVERHEAD;
        }
        // Nobody may be watching.
        let _count = self.watchers.send(Arc::clone(piece));
    }

    /// What is kept, and what comes.
    pub(super) fn watch(&mut self) -> (Vec<Piece>, broadcast::Receiver<Piece>) {
        self.used = Instant::now();
        let kept = self.kept.iter().map(|(_, piece)| Arc::clone(piece));
        (kept.collect(), self.watchers.subscribe())
    }

    /// What was written here and is kept, with its numbers.
    pub(super) fn own(&self) -> impl Iterator<Item = (u64, Piece)> {
        self.kept
            .iter()
            .filter_map(|(number, piece)| Some(((*number)?, Arc::clone(piece))))
    }

    /// A connection writes it no more.
    pub(super) fn leave(&mut self) {
        self.used = Instant::now();
        self.writers = self.writers.saturating_sub(1);
    }

    /// Whether nobody has written or watched it for so long.
    pub(super) fn is_left(&self, now: Instant, long: Duration) -> bool {
        self.writers == 0
            && self.watchers.receiver_count() == 0
            && now.saturating_duration_since(self.used) >= long
    }
}
