//! One layer decompressed in a thread of its own, seen from the thread that reads it.
//!
//! Two channels carry the same few buffers round and round: full ones from the decompressing
//! thread to the reading one, empty ones back. So memory is bounded, and the faster side waits.

use std::io::{self, BufRead, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::{Digest, Sha256};

use crate::progress::Progress;

/// Bytes of a buffer: what one thread just wrote is still in the caches when the other reads it.
const BUFFER: usize = 128 << 10;

/// Buffers of a layer.
const BUFFERS: usize = 4;

/// What the decompressing thread sends.
enum Message {
    /// So many bytes of a buffer.
    Data(Vec<u8>, usize),
    /// The stream ended as it should.
    End,
    /// It did not.
    Failed(io::Error),
}

/// The decompressing thread's side.
pub(super) struct Producer {
    full: SyncSender<Message>,
    empty: Receiver<Vec<u8>>,
}

/// The reading thread's side: the stream, hashed on the way.
pub(super) struct Consumer<'a> {
    full: Receiver<Message>,
    empty: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    length: usize,
    place: usize,
    ended: bool,
    hash: Sha256,
    total: u64,
    stopped: &'a AtomicBool,
    progress: &'a dyn Progress,
}

/// Both sides of the way of one layer. Reading fails as soon as `stopped` is set.
pub(super) fn stream<'a>(
    stopped: &'a AtomicBool,
    progress: &'a dyn Progress,
) -> (Producer, Consumer<'a>) {
    let (full_sender, full) = sync_channel(BUFFERS);
    let (empty, empty_receiver) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        // They are allocated when they are first filled. The channel has room for all of them.
        let _ = empty.try_send(Vec::new());
    }
    let producer = Producer {
        full: full_sender,
        empty: empty_receiver,
    };
    let consumer = Consumer {
        full,
        empty,
        buffer: Vec::new(),
        length: 0,
        place: 0,
        ended: false,
        hash: Sha256::new(),
        total: 0,
        stopped,
        progress,
    };
    (producer, consumer)
}

impl Producer {
    /// Reads `source` to its end, or until nobody listens any more.
    pub(super) fn run(self, mut source: impl Read) {
        while let Ok(mut buffer) = self.empty.recv() {
            buffer.resize(BUFFER, 0);
            let mut length = 0;
            let outcome = loop {
                match source.read(&mut buffer[length..]) {
                    Ok(0) => break Some(Message::End),
                    Ok(count) => {
                        length += count;
                        if length == BUFFER {
                            break None;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Some(Message::Failed(error)),
                }
            };
            if length > 0 && self.full.send(Message::Data(buffer, length)).is_err() {
                return;
            }
            if let Some(last) = outcome {
                // If nobody listens, nobody needs it.
                let _ = self.full.send(last);
                return;
            }
        }
    }
}

impl Consumer<'_> {
    /// Reads what is left of the stream, telling `check` how far it is.
    pub(super) fn drain<E: From<io::Error>>(
        &mut self,
        mut check: impl FnMut(u64) -> Result<(), E>,
    ) -> Result<(), E> {
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
            check(self.total)?;
        }
    }

    /// SHA-256 of what arrived.
    pub(super) fn digest(self) -> [u8; 32] {
        self.hash.finalize().into()
    }

    fn receive(&mut self) -> io::Result<()> {
        if self.stopped.load(Ordering::Relaxed) || self.progress.is_cancelled() {
            return Err(io::Error::other("stopped"));
        }
        if !self.buffer.is_empty() {
            // Fails if the other side is already gone, which then needs no buffers.
            let _ = self.empty.try_send(std::mem::take(&mut self.buffer));
        }
        self.place = 0;
        self.length = 0;
        match self.full.recv() {
            Ok(Message::Data(buffer, length)) => {
                self.hash.update(&buffer[..length]);
                self.total += length as u64;
                self.progress.advance(length as u64);
                self.buffer = buffer;
                self.length = length;
                Ok(())
            }
            Ok(Message::End) => {
                self.ended = true;
                Ok(())
            }
            Ok(Message::Failed(error)) => Err(error),
            Err(_) => Err(io::Error::other("decompression ended without a reason")),
        }
    }
}

impl Read for Consumer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(buffer)?;
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Consumer<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.place == self.length && !self.ended {
            self.receive()?;
        }
        Ok(&self.buffer[self.place..self.length])
    }

    fn consume(&mut self, count: usize) {
        self.place = (self.place + count).min(self.length);
    }
}
