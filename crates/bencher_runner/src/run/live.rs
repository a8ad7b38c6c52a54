//! The command's output as the runner's own, while the command runs.

use std::io;

use tokio::io::{AsyncWrite, AsyncWriteExt as _};

/// Where the command's output goes at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveOutput {
    /// Standard output to standard output, standard error to standard error.
    Both,
    /// Nowhere: it is in the result, which goes to standard output.
    Document,
    /// Nowhere: it is in the result.
    None,
    /// To the reporter, and the result document does not go to standard output either.
    Reporter,
}

/// One of the runner's own outputs.
pub(crate) struct LiveWriter {
    writer: Option<Box<dyn AsyncWrite + Unpin + Send>>,
    ends_line: bool,
}

impl std::fmt::Debug for LiveWriter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("LiveWriter")
            .field("open", &self.writer.is_some())
            .finish_non_exhaustive()
    }
}

impl LiveWriter {
    pub(crate) fn stdout(live: LiveOutput) -> Self {
        Self::new(live, || Box::new(tokio::io::stdout()))
    }

    pub(crate) fn stderr(live: LiveOutput) -> Self {
        Self::new(live, || Box::new(tokio::io::stderr()))
    }

    fn new(live: LiveOutput, open: impl FnOnce() -> Box<dyn AsyncWrite + Unpin + Send>) -> Self {
        Self {
            writer: (live == LiveOutput::Both).then(open),
            ends_line: true,
        }
    }

    /// Writes `bytes` through. A reader who has gone (`| head`) is no reason to stop a benchmark:
    /// the rest is dropped, and the first such error returned.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        if let Some(&last) = bytes.last() {
            self.ends_line = last == b'\n';
        }
        let result = match writer.write_all(bytes).await {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        if result.is_err() {
            self.writer = None;
        }
        result
    }

    /// Writes nothing from now on.
    pub(crate) fn close(&mut self) {
        self.writer = None;
    }

    /// Begins a new line, unless one has just begun.
    pub(crate) async fn end_line(&mut self) -> io::Result<()> {
        if self.ends_line {
            Ok(())
        } else {
            self.write(b"\n").await
        }
    }
}
