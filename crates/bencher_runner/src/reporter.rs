//! What the library tells its user while it works.

use std::fmt::Debug;

use crate::result::Iteration;

/// Where a command writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives the runner's own log and progress. The command's output comes here only for who asked for
/// that.
pub trait Reporter: Debug + Send + Sync {
    /// A detail for someone who looks for a fault.
    fn debug(&self, message: &str);
    /// A step that the user may want to know of.
    fn info(&self, message: &str);
    /// Something that bears on the result.
    fn warning(&self, message: &str);
    /// A long step has begun: `total` bytes if that is known.
    fn begin(&self, step: &str, total: Option<u64>);
    /// So many bytes of the long step are done.
    fn advance(&self, done: u64);
    /// The long step is over.
    fn end(&self);
    /// One of several things that come at the same time, which it calls `name`: so many bytes of it
    /// are there.
    fn part(&self, _name: &str, _done: u64, _total: u64) {}
    /// None of them comes any more.
    fn end_parts(&self) {}
    /// The command of an iteration, of these words, has begun.
    fn started(&self, _command: &[Vec<u8>]) {}
    /// The command has written something. Only who asked for it
    /// ([`LiveOutput::Reporter`](crate::run::LiveOutput)) hears of that.
    fn output(&self, _stream: OutputStream, _bytes: &[u8]) {}
    /// An iteration is over; `metrics_line` is the line that tooling looks for on standard error.
    fn iteration(&self, iteration: &Iteration, metrics_line: &str);
}

/// Passes on what is worth a line, from work that is done beside other work of which the user sees
/// how far it is.
#[derive(Debug)]
pub(crate) struct Beside<'a>(pub(crate) &'a dyn Reporter);

impl Reporter for Beside<'_> {
    fn debug(&self, message: &str) {
        self.0.debug(message);
    }
    fn info(&self, message: &str) {
        self.0.info(message);
    }
    fn warning(&self, message: &str) {
        self.0.warning(message);
    }
    fn begin(&self, step: &str, _total: Option<u64>) {
        self.0.info(step);
    }
    fn advance(&self, _done: u64) {}
    fn end(&self) {}
    fn iteration(&self, iteration: &Iteration, metrics_line: &str) {
        self.0.iteration(iteration, metrics_line);
    }
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn debug(&self, _message: &str) {}
    fn info(&self, _message: &str) {}
    fn warning(&self, _message: &str) {}
    fn begin(&self, _step: &str, _total: Option<u64>) {}
    fn advance(&self, _done: u64) {}
    fn end(&self) {}
    fn iteration(&self, _iteration: &Iteration, _metrics_line: &str) {}
}
