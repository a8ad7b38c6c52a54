//! A buffer that hashes everything that is put into it, on another CPU where that pays.
//!
//! SHA-256 of a blob and of what it decompresses to takes half as long again as the
//! decompression. The largest layer decides how long an image takes, so its hashes must not stand
//! in line with its decompression:
//!
//! ```text
//! reader   ─ fill 1 ─ fill 2 ─ fill 3 ─ wait ─ fill 1 ─
//!                 ╲        ╲        ╲   ╱
//! hasher           ─ hash 1 ─ hash 2 ─ hash 3 ─
//! ```
//!
//! A chunk is shared while it is hashed and read, and filled again when both are done.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use crate::Digest;
use crate::digest::Hasher;

/// How much is read, decompressed and hashed at once: enough that system calls and hand-overs
/// cost nothing, and little enough to stay in the CPU's cache.
pub(crate) const CHUNK: usize = 256 << 10;

/// How many chunks a hashing thread has a part in.
const DEPTH: usize = 4;

/// The amount of data from which on a thread of its own is worth its start.
const THREAD_FROM: u64 = 4 << 20;

#[derive(Debug)]
pub(crate) struct HashedBuffer {
    chunk: Chunk,
    start: usize,
    hashing: Hashing,
}

/// A buffer and how much of it is filled.
#[derive(Clone, Debug, Default)]
struct Chunk {
    bytes: Arc<Vec<u8>>,
    len: usize,
}

#[derive(Debug)]
enum Hashing {
    None,
    Here(Hasher),
    There(HashThread),
}

impl HashedBuffer {
    /// A buffer for about `expected` bytes, hashed with `hasher` if there is one.
    pub(crate) fn new(hasher: Option<Hasher>, expected: u64) -> Self {
        let is_parallel = || thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
        let hashing = match hasher {
            None => Hashing::None,
            Some(hasher) if expected >= THREAD_FROM && is_parallel() => HashThread::start(hasher),
            Some(hasher) => Hashing::Here(hasher),
        };
        Self {
            chunk: Chunk::default(),
            start: 0,
            hashing,
        }
    }

    /// Whether there is a hasher that has not been asked for its digest yet.
    pub(crate) fn is_hashed(&self) -> bool {
        !matches!(self.hashing, Hashing::None)
    }

    /// What has been filled in and not consumed yet.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.chunk.bytes[self.start..self.chunk.len]
    }

    pub(crate) fn consume(&mut self, amount: usize) {
        self.start = self.start.saturating_add(amount).min(self.chunk.len);
    }

    /// Replaces the content by what `read` puts into the buffer that it is given, of which it
    /// returns the length.
    pub(crate) fn fill<E>(
        &mut self,
        read: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let mut bytes = std::mem::take(&mut self.chunk).bytes;
        self.start = 0;
        // A chunk that was never handed over, because filling it failed, is filled again.
        if let Hashing::There(thread) = &mut self.hashing
            && Arc::get_mut(&mut bytes).is_none()
        {
            drop(bytes);
            bytes = thread.spare_chunk();
        }
        let buffer = Arc::make_mut(&mut bytes);
        buffer.resize(CHUNK, 0);
        let result = read(buffer);
        let len = result.as_ref().map_or(0, |&len| len.min(CHUNK));
        self.chunk = Chunk { bytes, len };
        result?;
        match &mut self.hashing {
            Hashing::None => {}
            Hashing::Here(hasher) => hasher.update(&self.chunk.bytes[..len]),
            Hashing::There(thread) => thread.hash(self.chunk.clone()),
        }
        Ok(())
    }

    /// The digest of all that was filled in; the first time only, and only with a hasher.
    ///
    /// # Errors
    /// The hashing thread died.
    pub(crate) fn finish(&mut self) -> io::Result<Option<Digest>> {
        match std::mem::replace(&mut self.hashing, Hashing::None) {
            Hashing::None => Ok(None),
            Hashing::Here(hasher) => Ok(Some(hasher.finish())),
            Hashing::There(thread) => thread.finish().map(Some),
        }
    }
}

/// A thread that hashes the chunks it is sent, in order, and sends them back.
#[derive(Debug)]
struct HashThread {
    work: SyncSender<Chunk>,
    done: Receiver<Arc<Vec<u8>>>,
    /// How many chunks have been made.
    chunks: usize,
    thread: JoinHandle<Digest>,
}

impl HashThread {
    fn start(hasher: Hasher) -> Hashing {
        let (work, chunks) = sync_channel::<Chunk>(DEPTH);
        let (give_back, done) = channel();
        let mut own = hasher.clone();
        let run = move || {
            for chunk in chunks {
                own.update(&chunk.bytes[..chunk.len]);
                // Nobody wants the last chunks back.
                let _ = give_back.send(chunk.bytes);
            }
            own.finish()
        };
        match thread::Builder::new().name("hash".to_owned()).spawn(run) {
            Ok(thread) => Hashing::There(Self {
                work,
                done,
                chunks: 0,
                thread,
            }),
            // No thread to be had: slower, but no reason to fail.
            Err(_) => Hashing::Here(hasher),
        }
    }

    /// A chunk to fill: a new one, or the oldest one as soon as it is hashed.
    fn spare_chunk(&mut self) -> Arc<Vec<u8>> {
        if self.chunks < DEPTH {
            self.chunks += 1;
            return Arc::default();
        }
        // A dead thread is reported at the end.
        self.done.recv().unwrap_or_default()
    }

    fn hash(&self, chunk: Chunk) {
        // A dead thread is reported at the end.
        let _ = self.work.send(chunk);
    }

    fn finish(self) -> io::Result<Digest> {
        drop(self.work);
        self.thread
            .join()
            .map_err(|_| io::Error::other("the hashing thread died"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill_all(data: &[Vec<u8>], expected: u64) -> (Vec<u8>, Option<Digest>) {
        let hasher = Hasher::like(&Digest::sha256(b""));
        let mut buffer = HashedBuffer::new(Some(hasher), expected);
        let mut seen = Vec::new();
        for part in data {
            buffer
                .fill(|bytes| {
                    bytes[..part.len()].copy_from_slice(part);
                    Ok::<_, io::Error>(part.len())
                })
                .unwrap();
            let half = part.len() / 2;
            seen.extend_from_slice(&buffer.bytes()[..half]);
            buffer.consume(half);
            seen.extend_from_slice(buffer.bytes());
            buffer.consume(usize::MAX);
            assert!(buffer.bytes().is_empty());
        }
        let digest = buffer.finish().unwrap();
        assert_eq!(buffer.finish().unwrap(), None);
        (seen, digest)
    }

    #[test]
    fn a_failed_filling_is_not_hashed() {
        for expected in [0, u64::MAX] {
            let hasher = Hasher::like(&Digest::sha256(b""));
            let mut buffer = HashedBuffer::new(Some(hasher), expected);
            buffer
                .fill(|bytes| {
                    Ok::<_, ()>({
                        bytes[0] = 7;
                        1
                    })
                })
                .unwrap();
            for _ in 0..2 * DEPTH {
                assert_eq!(buffer.fill(|_| Err(())), Err(()));
                assert!(buffer.bytes().is_empty());
            }
            assert_eq!(buffer.finish().unwrap(), Some(Digest::sha256(&[7])));
        }
    }

    proptest! {
        #[test]
        fn everything_is_seen_and_hashed(
            parts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..3000), 0..20)
        ) {
            let all = parts.concat();
            for expected in [0, u64::MAX] {
                let (seen, digest) = fill_all(&parts, expected);
                prop_assert_eq!(&seen, &all);
                prop_assert_eq!(digest, Some(Digest::sha256(&all)));
            }
        }
    }
}
