//! Layers without an end, which nobody could hold, and what reading them costs.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use bencher_rootfs::{BoxedError, LayerSource};
use test_support::alone;

/// Where the endless ends, so that a test without a limit fails instead of running for ever.
const END: u64 = 8 << 30;

/// A layer that repeats what `next` makes for ever.
pub(crate) struct Endless<F> {
    beginning: Vec<u8>,
    next: F,
    /// What it says that it is stored in.
    compressed: u64,
    read: AtomicU64,
}

impl<F: Fn(u64, &mut Vec<u8>) + Send + Sync> Endless<F> {
    /// `next` gets the number of the piece, and a buffer for it that holds the one before.
    pub(crate) fn new(beginning: Vec<u8>, next: F) -> Self {
        Self {
            beginning,
            next,
            compressed: 1 << 20,
            read: AtomicU64::new(0),
        }
    }

    pub(crate) fn stored_in(mut self, compressed: u64) -> Self {
        self.compressed = compressed;
        self
    }

    /// How many bytes were taken.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

impl<F: Fn(u64, &mut Vec<u8>) + Send + Sync> LayerSource for Endless<F> {
    fn open(&self) -> Result<Box<dyn Read + Send + '_>, BoxedError> {
        Ok(Box::new(Pieces {
            layer: self,
            piece: self.beginning.clone(),
            place: 0,
            number: 0,
        }))
    }

    fn compressed_size(&self) -> u64 {
        self.compressed
    }

    fn uncompressed_size_hint(&self) -> Option<u64> {
        None
    }

    fn diff_id(&self) -> [u8; 32] {
        [0; 32]
    }

    fn name(&self) -> String {
        "endless".to_owned()
    }
}

struct Pieces<'a, F> {
    layer: &'a Endless<F>,
    piece: Vec<u8>,
    place: usize,
    number: u64,
}

impl<F: Fn(u64, &mut Vec<u8>)> Read for Pieces<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.place == self.piece.len() {
            (self.layer.next)(self.number, &mut self.piece);
            self.number += 1;
            self.place = 0;
            if self.layer.read.load(Ordering::Relaxed) > END {
                return Err(io::Error::other("nobody stopped reading"));
            }
        }
        let length = (&self.piece[self.place..]).read(buffer)?;
        self.place += length;
        self.layer.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Does `body` in a process of its own, and checks how much memory that one took at most.
pub(crate) fn within(mebibytes: u64, name: &str, body: impl FnOnce()) {
    alone(name, || {
        body();
        let peak = peak_kibibytes();
        println!("{name}: {peak} KiB at most");
        assert!(peak < mebibytes << 10, "{peak} KiB");
    })
    .unwrap();
}

fn peak_kibibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}
