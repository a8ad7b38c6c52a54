//! A blob that is read while it comes.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a blob has come. One thread fetches it, any number wait for what they read.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody fetches it yet.
    #[default]
    Expected,
    /// So many bytes of the file are the blob's.
    Coming {
        file: Arc<File>,
        bytes: u64,
        /// Whether some of them are what an earlier pull left.
        is_resumed: bool,
    },
    /// It will not come, or what was read of it was wrong.
    Failed,
}

impl Arrival {
    /// The first `bytes` are in `file`, as an earlier pull left them.
    pub(super) fn begin(&self, file: File, bytes: u64) {
        self.set(file, bytes, bytes > 0);
    }

    /// All `bytes` are in `file`, and verified.
    pub(super) fn complete(&self, file: File, bytes: u64) {
        self.set(file, bytes, false);
    }

    fn set(&self, file: File, bytes: u64, is_resumed: bool) {
        let file = Arc::new(file);
        *self.lock() = State::Coming {
            file,
            bytes,
            is_resumed,
        };
        self.changed.notify_all();
    }

    /// There are `more` bytes.
    pub(super) fn grow(&self, more: u64) {
        if let State::Coming { bytes, .. } = &mut *self.lock() {
            *bytes += more;
        }
        self.changed.notify_all();
    }

    /// Whoever reads it, or begins to, gets an error.
    pub(super) fn fail(&self) {
        *self.lock() = State::Failed;
        self.changed.notify_all();
    }

    /// Whether somebody may have read too little, or what is wrong.
    pub(super) fn is_doubtful(&self) -> bool {
        match *self.lock() {
            State::Expected => false,
            State::Coming { is_resumed, .. } => is_resumed,
            State::Failed => true,
        }
    }

    /// The file with the blob, as soon as there is one.
    pub(crate) fn file(&self) -> io::Result<Arc<File>> {
        self.wait(0)
    }

    /// Waits until the first `end` bytes are in the file.
    pub(crate) fn wait_for(&self, end: u64) -> io::Result<()> {
        self.wait(end).map(|_| ())
    }

    fn wait(&self, end: u64) -> io::Result<Arc<File>> {
        let mut state = self.lock();
        loop {
            match &*state {
                State::Coming { file, bytes, .. } if *bytes >= end => return Ok(Arc::clone(file)),
                State::Expected | State::Coming { .. } => {}
                State::Failed => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "its blob did not come as a whole",
                    ));
                }
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread;

    use super::*;
    use crate::blob::BlobFile;

    #[test]
    fn who_reads_waits_for_what_is_not_there_yet() {
        let arrival = Arc::new(Arrival::default());
        let reader = thread::spawn({
            let arrival = Arc::clone(&arrival);
            move || {
                let blob = BlobFile::arriving(&arrival, 6)?;
                let mut bytes = [0; 6];
                blob.read_exact_at(&mut bytes[..3], 0)?;
                blob.read_exact_at(&mut bytes[3..], 3)?;
                Ok::<_, io::Error>(bytes)
            }
        });
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"ab").unwrap();
        arrival.begin(file.try_clone().unwrap(), 2);
        assert!(arrival.is_doubtful());
        for piece in [&b"cd"[..], b"ef"] {
            file.write_all(piece).unwrap();
            arrival.grow(piece.len() as u64);
        }
        assert_eq!(&reader.join().unwrap().unwrap(), b"abcdef");
    }

    #[test]
    fn who_waits_hears_that_nothing_more_comes() {
        let arrival = Arc::new(Arrival::default());
        let waiting: Vec<_> = (0..3)
            .map(|end| {
                let arrival = Arc::clone(&arrival);
                thread::spawn(move || arrival.wait_for(end * 10).unwrap_err().to_string())
            })
            .collect();
        arrival.fail();
        for waiting in waiting {
            let said = waiting.join().unwrap();
            assert_eq!(said, "its blob did not come as a whole");
        }
        assert!(BlobFile::arriving(&arrival, 1).is_err());
        assert!(arrival.is_doubtful());
    }
}
