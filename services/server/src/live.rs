//! What commands write while they run, for those who watch. It is kept in memory, at the server
//! that the runner is connected to, and only its end: what counts comes with the results.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bencher_channel_protocol::LiveOutput;
use bencher_jobs::JobId;
use tokio::sync::broadcast;

/// What is kept of one job, in bytes.
const KEPT: usize = 64 * 1024;
/// Pieces that a slow watcher may lag behind before it misses some.
const BACKLOG: usize = 256;

/// A piece of what a command wrote.
type Piece = Arc<LiveOutput>;

/// Everything that jobs of this server have written lately.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<HashMap<JobId, Written>>);

#[derive(Debug)]
struct Written {
    pieces: VecDeque<Piece>,
    bytes: usize,
    watchers: broadcast::Sender<Piece>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            pieces: VecDeque::new(),
            bytes: 0,
            watchers: broadcast::Sender::new(BACKLOG),
        }
    }
}

impl Live {
    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A job has written something.
    pub(crate) fn push(&self, job: JobId, piece: LiveOutput) {
        let piece = Arc::new(piece);
        let mut jobs = self.lock();
        let written = jobs.entry(job).or_default();
        written.bytes += piece.text.len();
        written.pieces.push_back(Arc::clone(&piece));
        while written.bytes > KEPT
            && let Some(oldest) = written.pieces.pop_front()
        {
            written.bytes -= oldest.text.len();
        }
        // Nobody may be watching.
        let _count = written.watchers.send(piece);
    }

    /// A job writes nothing more.
    pub(crate) fn end(&self, job: JobId) {
        self.lock().remove(&job);
    }

    /// What a job has written lately, and what it writes from now on.
    pub(crate) fn watch(&self, job: JobId) -> Option<(Vec<Piece>, broadcast::Receiver<Piece>)> {
        let jobs = self.lock();
        let written = jobs.get(&job)?;
        let pieces = written.pieces.iter().cloned().collect();
        Some((pieces, written.watchers.subscribe()))
    }

    /// From now on `job` may write.
    pub(crate) fn begin(&self, job: JobId) {
        self.lock().entry(job).or_default();
    }
}

#[cfg(test)]
mod tests {
    use bencher_channel_protocol::OutputStream;

    use super::*;

    fn piece(job: JobId, text: String) -> LiveOutput {
        LiveOutput {
            job: job.uuid(),
            iteration: 0,
            stream: OutputStream::Stdout,
            text,
        }
    }

    #[test]
    fn the_end_is_kept_and_what_comes_is_passed_on() {
        let live = Live::default();
        let job = JobId::generate();
        assert!(live.watch(job).is_none());
        for number in 0..100 {
            live.push(job, piece(job, format!("{number:01000}")));
        }
        let (pieces, mut coming) = live.watch(job).expect("it has written");
        assert_eq!(pieces.len(), KEPT / 1000);
        assert!(pieces.last().expect("some").text.ends_with("99"));
        live.push(job, piece(job, "more".to_owned()));
        assert_eq!(coming.try_recv().expect("a piece").text, "more");
        live.end(job);
        assert!(live.watch(job).is_none());
        assert!(coming.try_recv().is_err());
    }
}
