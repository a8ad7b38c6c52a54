//! What commands write while they run, for those who watch: only its end, and only in memory, for what
//! counts comes with the results.
//!
//! ```text
//!  runner ──► the server that it is connected to ──► those who watch there
//!                       │
//!                       │ NOTIFY, where another server has asked for it lately
//!                       ▼
//!               the other server ──► those who watch there
//! ```
//!
//! A server with a watcher asks for the job's output again and again, and whichever server has the
//! runner tells it: nothing is written for other servers that nobody watches. Everything is bounded: the
//! pieces that are kept of a job, the jobs, and what waits to be told. What does not fit is lost.

mod kept;
mod news;
mod relay;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bencher_channel_protocol::LiveOutput;
use bencher_jobs::JobId;
use tokio::sync::broadcast;
use tokio::time::Instant;

use kept::Written;
use news::{News, ServerId};
pub(crate) use relay::Relay;

/// The channel of PostgreSQL on which servers tell each other of output.
pub(crate) const OUTPUT: &str = "bencher_output";
/// How long output is told to a server that has asked for it, if it does not ask again: it does at each
/// look at the job.
const ASKED: Duration = Duration::from_mins(2);
/// How long output is kept that nobody writes or watches: its runner may come back.
const LEFT: Duration = Duration::from_mins(2);
/// Jobs that other servers may ask for.
const MOST_ASKED: usize = 10_000;

/// A piece of what a command wrote.
pub(crate) type Piece = Arc<LiveOutput>;

/// Everything that jobs have written lately.
#[derive(Debug)]
pub(crate) struct Live {
    server: ServerId,
    /// Where other servers are told; none where there are none.
    relay: Option<Relay>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    jobs: HashMap<JobId, Written>,
    /// Until when which servers are told of what a job writes.
    asked: HashMap<JobId, HashMap<ServerId, Instant>>,
}

impl State {
    fn is_asked(&self, job: JobId, now: Instant) -> bool {
        self.asked
            .get(&job)
            .is_some_and(|servers| servers.values().any(|until| now < *until))
    }
}

impl Live {
    /// Nothing has been written yet.
    pub(crate) fn new(relay: Option<Relay>) -> Self {
        Self {
            server: ServerId::now_v7(),
            relay,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on `job` may write here.
    pub(crate) fn begin(self: &Arc<Self>, job: JobId) -> Writer {
        self.lock().jobs.entry(job).or_default().writers += 1;
        Writer {
            live: Arc::clone(self),
            job,
        }
    }

    /// What a job has written lately, and what it writes from now on.
    pub(crate) fn watch(&self, job: JobId) -> (Vec<Piece>, broadcast::Receiver<Piece>) {
        self.lock().jobs.entry(job).or_default().watch()
    }

    /// Asks other servers for what `job` writes, unless it does so here.
    pub(crate) fn ask(&self, job: JobId) {
        let is_here = |written: &Written| written.writers > 0;
        if self.lock().jobs.get(&job).is_some_and(is_here) {
            return;
        }
        if let Some(relay) = &self.relay {
            relay.tell(&News::Asked(job, self.server));
        }
    }

    /// Takes what another server says.
    pub(crate) fn hear(&self, text: &str) {
        match News::parse(text) {
            Some(News::Asked(job, server)) if server != self.server => self.asked(job, server),
            Some(News::Wrote(server, number, piece)) if server != self.server => {
                let job = JobId::from_uuid(piece.job);
                if let Some(written) = self.lock().jobs.get_mut(&job) {
                    written.hear(server, number, &piece);
                }
            }
            // Its own, or of another version.
            _ => {}
        }
    }

    fn asked(&self, job: JobId, server: ServerId) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.asked.len() >= MOST_ASKED && !state.asked.contains_key(&job) {
            return;
        }
        let before = state
            .asked
            .entry(job)
            .or_default()
            .insert(server, now + ASKED);
        let is_told = before.is_some_and(|until| now < until);
        let Some(relay) = self.relay.as_ref().filter(|_| !is_told) else {
            return;
        };
        if let Some(written) = state.jobs.get(&job) {
            for (number, piece) in written.own() {
                relay.tell(&News::Wrote(self.server, number, piece));
            }
        }
    }

    /// Forgets what `job` has written: it was deleted.
    pub(crate) fn forget(&self, job: JobId) {
        let mut state = self.lock();
        state.jobs.remove(&job);
        state.asked.remove(&job);
    }

    /// Forgets what nobody writes or watches.
    pub(crate) fn sweep(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        state.jobs.retain(|_, written| !written.is_left(now, LEFT));
        state.asked.retain(|_, servers| {
            servers.retain(|_, until| now < *until);
            !servers.is_empty()
        });
    }

    /// Forgets what nobody needs any more, from time to time, for as long as the server lives.
    pub(crate) async fn keep_small(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LEFT / 2).await;
            self.sweep();
        }
    }
}

/// A job that writes at this server, for as long as the value lives.
#[derive(Debug)]
pub(crate) struct Writer {
    live: Arc<Live>,
    job: JobId,
}

impl Writer {
    /// The job has written something.
    pub(crate) fn write(&self, output: &LiveOutput) {
        let mut state = self.live.lock();
        let is_asked = state.is_asked(self.job, Instant::now());
        // It is there for as long as it may be written to, unless the job has ended.
        let written = state.jobs.entry(self.job).or_default();
        for (number, piece) in written.write(output) {
            if let Some(relay) = self.live.relay.as_ref().filter(|_| is_asked) {
                relay.tell(&News::Wrote(self.live.server, number, piece));
            }
        }
    }

    /// Waits until other servers know what the job has written, but not for long.
    pub(crate) async fn told(&self) {
        let is_asked = self.live.lock().is_asked(self.job, Instant::now());
        if let Some(relay) = self.live.relay.as_ref().filter(|_| is_asked) {
            relay.told().await;
        }
    }

    /// The job writes nothing more.
    pub(crate) fn end(self) {
        self.live.forget(self.job);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if let Some(written) = self.live.lock().jobs.get_mut(&self.job) {
            written.leave();
        }
    }
}

#[cfg(test)]
mod tests;
