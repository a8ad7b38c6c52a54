//! What someone who waits gets to know, and how they can stop waiting.

use std::io;

/// A step of the work, in the order in which they come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Step {
    /// Another process builds the same image at the moment: waiting for it.
    WaitForOther,
    /// Reading layers and writing the contents of their files. They may have so many bytes.
    Read {
        /// Uncompressed bytes of all layers: an estimate.
        bytes: u64,
    },
    /// Reading the layers again, because space is so scarce that only what remains of them after
    /// merging may be written.
    ReadAgain {
        /// Uncompressed bytes of all layers.
        bytes: u64,
    },
    /// Merging the layers.
    Merge,
    /// Writing everything but the contents of files.
    Write,
    /// Making files out of the merged layers, for a run without a virtual machine.
    Extract {
        /// The number of files, which is what advances here instead of bytes.
        nodes: u64,
    },
    /// Copying an image.
    Copy {
        /// Its size in bytes.
        bytes: u64,
    },
}

/// Hears how far the work is. Called from several threads, often: it should return at once.
pub trait Progress: Sync {
    /// A step begins.
    fn step(&self, step: Step) {
        let _ = step;
    }

    /// So many more bytes (or files, where the step says so) are done.
    fn advance(&self, amount: u64) {
        let _ = amount;
    }

    /// Does `wait`, which blocks for as long as another process likes. Who is told to give up may leave
    /// it alone, on a thread that it has for itself.
    ///
    /// # Errors
    /// Of the kind `Interrupted` if it was left alone; others if it was not begun.
    fn wait(&self, wait: Box<dyn FnOnce() + Send>) -> io::Result<()> {
        wait();
        Ok(())
    }

    /// Whether to give up. Asked at least every few milliseconds of work.
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProgress;

impl Progress for NoProgress {}
