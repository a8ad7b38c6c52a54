//! A job is followed to its end.

use std::io::{IsTerminal as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use bencher_channel_protocol::{IterationOutput, LiveOutput, OutputStream};
use bencher_runner::Reporter;
use bencher_server_api::{Job, OUTPUT_EVENT, STATE_EVENT, Standing};

use super::events::{Event, Events, MAX_LINE, ReadError};
use super::outcome::{exit_code, is_over};
use super::shown::Shown;
use super::{ClientError, Connection, encoded, printable};

/// How long to wait before the server is asked once more, at first and at most.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How often in a row it is asked in vain.
const MAX_ATTEMPTS: u32 = 20;
/// How much live output is remembered so that it is not shown twice, in bytes.
const MAX_SHOWN: usize = 64 << 20;

/// Follows a job to its end, prints what it wrote, and returns the exit code that `runner run`
/// would have ended with.
///
/// Standard output is the job's, byte for byte. While the job runs, its output is shown where
/// standard output is a terminal; elsewhere it is printed once it is known to be whole.
pub(crate) fn watch(
    connection: &Connection,
    id: &str,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<u8, ClientError> {
    let mut watcher = Watcher {
        connection,
        id,
        reporter,
        cancel,
        is_live: std::io::stdout().is_terminal(),
        shown: Shown::default(),
        bytes: 0,
        state: String::new(),
        heard: 0,
    };
    watcher.follow()?;
    watcher.finish()
}

struct Watcher<'a> {
    connection: &'a Connection,
    id: &'a str,
    reporter: &'a dyn Reporter,
    cancel: &'a AtomicBool,
    is_live: bool,
    shown: Shown,
    bytes: usize,
    state: String,
    /// Events so far.
    heard: u64,
}

impl Watcher<'_> {
    /// Until the job is over.
    fn follow(&mut self) -> Result<(), ClientError> {
        let mut attempts = 0;
        let mut pause = PAUSES[0];
        loop {
            let heard = self.heard;
            let error = match self.listen() {
                Ok(true) => return Ok(()),
                // A server that ends says goodbye so.
                Ok(false) => self.connection.unreachable(&"the connection ended"),
                Err(error) if error.may_pass() => error,
                Err(error) => return Err(error),
            };
            if self.heard != heard {
                attempts = 0;
                pause = PAUSES[0];
            }
            attempts += 1;
            if attempts >= MAX_ATTEMPTS {
                return Err(error);
            }
            self.reporter.warning(&format!("{error}; trying again"));
            // A new connection begins with what the server kept, which may have been shown.
            self.is_live = false;
            self.wait(pause)?;
            pause = (pause * 2).min(PAUSES[1]);
        }
    }

    fn wait(&self, pause: Duration) -> Result<(), ClientError> {
        let step = Duration::from_millis(100);
        let mut left = pause;
        while !left.is_zero() {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(ClientError::Interrupted);
            }
            thread::sleep(step.min(left));
            left = left.saturating_sub(step);
        }
        Ok(())
    }

    /// Whether the job is over; otherwise the connection ended.
    fn listen(&mut self) -> Result<bool, ClientError> {
        let path = format!("/v0/jobs/{}/events", encoded(self.id));
        let mut events = Events::new(self.connection.stream(&path)?);
        loop {
            let event = match events.next() {
                Ok(Some(event)) => event,
                Ok(None) => return Ok(false),
                Err(ReadError::Lost(cause)) => return Err(self.connection.unreachable(&cause)),
                Err(ReadError::Long) => return Err(ClientError::LongEvent(MAX_LINE)),
            };
            self.heard += 1;
            if self.cancel.load(Ordering::Relaxed) {
                return Err(ClientError::Interrupted);
            }
            if self.take(&event)? {
                return Ok(true);
            }
        }
    }

    /// Takes an event, and says whether it is the last.
    fn take(&mut self, event: &Event) -> Result<bool, ClientError> {
        let wrong = |error: serde_json::Error| self.connection.misunderstood(&error);
        match event.name.as_str() {
            STATE_EVENT => {
                let standing: Standing = serde_json::from_str(&event.data).map_err(wrong)?;
                if standing.state != self.state {
                    let reason = standing.reason.map(|reason| format!(" ({reason})"));
                    let text = format!("{}{}", standing.state, reason.unwrap_or_default());
                    self.reporter
                        .info(&format!("the job is {}", printable(&text)));
                }
                self.state = standing.state;
                Ok(is_over(&self.state))
            }
            OUTPUT_EVENT if self.is_live => {
                let piece: LiveOutput = serde_json::from_str(&event.data).map_err(wrong)?;
                self.bytes += piece.text.len();
                if self.bytes > MAX_SHOWN {
                    self.is_live = false;
                    self.reporter
                        .warning("what comes from now on is shown at the end of the job");
                    return Ok(false);
                }
                print(piece.stream, &piece.text)?;
                self.shown.add(&piece);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn finish(&self) -> Result<u8, ClientError> {
        let job: Job = self
            .connection
            .get(&format!("/v0/jobs/{}", encoded(self.id)))?;
        let path = format!("/v0/jobs/{}/results", encoded(self.id));
        let results: Vec<IterationOutput> = match self.connection.get(&path) {
            // A job that was stopped may have none.
            Err(ClientError::Refused { status: 404, .. }) => Vec::new(),
            results => results?,
        };
        for (stream, text) in self.shown.rest(&results) {
            print(stream, text)?;
        }
        if let Some(error) = &job.error {
            self.reporter
                .warning(&format!("the runner says: {}", printable(error)));
        }
        Ok(exit_code(&job, &results))
    }
}

fn print(stream: OutputStream, text: &str) -> std::io::Result<()> {
    match stream {
        OutputStream::Stdout => {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text.as_bytes())?;
            stdout.flush()
        }
        OutputStream::Stderr => std::io::stderr().lock().write_all(text.as_bytes()),
    }
}
