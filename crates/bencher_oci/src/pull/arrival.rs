//! A blob that is read while it comes.

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// How far a blob has come. One thread fetches it, any number wait for what they read.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    inside: Mutex<Inside>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Inside {
    state: State,
    /// Whether somebody may have read too little, or what nobody had verified.
    is_doubtful: bool,
}

#[derive(Debug, Default)]
enum State {
    /// Nobody fetches it yet.
    #[default]
    Expected,
    /// So many bytes of the file are the blob's.
    Coming { file: Arc<File>, bytes: u64 },
    /// The blob has so many bytes, and no more come.
    Whole { file: Arc<File>, bytes: u64 },
    /// Nobody is to wait for it any longer.
    Ended,
}

impl Arrival {
    /// The first `bytes` are in `file`, as an earlier pull left them.
    pub(super) fn begin(&self, file: File, bytes: u64) {
        let file = Arc::new(file);
        self.change(|inside| {
            inside.state = State::Coming { file, bytes };
            inside.is_doubtful |= bytes > 0;
        });
    }

    /// All `bytes` were in `file` before, and nobody has looked at them again.
    pub(super) fn complete(&self, file: File, bytes: u64) {
        let file = Arc::new(file);
        self.change(|inside| {
            inside.state = State::Whole { file, bytes };
            inside.is_doubtful = true;
        });
    }

    /// There are `more` bytes.
    pub(super) fn grow(&self, more: u64) {
        self.change(|inside| {
            if let State::Coming { bytes, .. } = &mut inside.state {
                *bytes += more;
            }
        });
    }

    /// All have come.
    pub(super) fn finish(&self) {
        self.change(|inside| {
            if let State::Coming { file, bytes } = &inside.state {
                let (file, bytes) = (Arc::clone(file), *bytes);
                inside.state = State::Whole { file, bytes };
            }
        });
    }

    /// It does not come, or what came was wrong: whoever reads it, or begins to, gets an error.
    pub(super) fn fail(&self) {
        self.change(|inside| {
            inside.state = State::Ended;
            inside.is_doubtful = true;
        });
    }

    /// Whoever waits for it is to wait no longer.
    pub(crate) fn give_up(&self) {
        self.change(|inside| inside.state = State::Ended);
    }

    /// What is read of it may be read otherwise when it is whole.
    pub(crate) fn doubt(&self) {
        self.change(|inside| inside.is_doubtful = true);
    }

    /// Whether somebody may have read something else than the blob.
    pub(super) fn is_doubtful(&self) -> bool {
        self.lock().is_doubtful
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
        let mut inside = self.lock();
        loop {
            match &inside.state {
                State::Coming { file, bytes } | State::Whole { file, bytes } if *bytes >= end => {
                    return Ok(Arc::clone(file));
                }
                State::Expected | State::Coming { .. } => {}
                State::Whole { .. } | State::Ended => {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "its blob did not come as a whole",
                    ));
                }
            }
            inside = self
                .changed
                .wait(inside)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn change(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
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

    #[test]
    fn nothing_is_waited_for_behind_the_end() {
        let arrival = Arc::new(Arrival::default());
        arrival.begin(tempfile::tempfile().unwrap(), 0);
        assert!(!arrival.is_doubtful());
        let waiting = thread::spawn({
            let arrival = Arc::clone(&arrival);
            move || arrival.wait_for(200)
        });
        arrival.grow(100);
        arrival.finish();
        assert!(waiting.join().unwrap().is_err());
        assert!(arrival.wait_for(100).is_ok());
        assert!(!arrival.is_doubtful());
    }

    #[test]
    fn who_gives_up_has_no_doubts_and_who_found_a_blob_has() {
        let arrival = Arrival::default();
        arrival.give_up();
        assert!(arrival.wait_for(0).is_err());
        assert!(!arrival.is_doubtful());
        let arrival = Arrival::default();
        arrival.complete(tempfile::tempfile().unwrap(), 7);
        assert!(arrival.wait_for(7).is_ok() && arrival.wait_for(8).is_err());
        assert!(arrival.is_doubtful());
    }
}
