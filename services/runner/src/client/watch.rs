//! A job is followed to its end.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use bencher_channel_protocol::{IterationOutput, LiveOutput, OutputStream};
use bencher_oci::Cancellation;
use bencher_runner::Reporter;
use bencher_server_api::{Doubts, Job, OUTPUT_EVENT, STATE_EVENT, Standing};
use serde::de::DeserializeOwned;

use super::events::{Event, Events, MAX_LINE, ReadError};
use super::outcome::{exit_code, is_over};
use super::shown::Shown;
use super::{ClientError, Connection, encoded, is_long, measured, printable};

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
    cancel: &Cancellation,
) -> Result<u8, ClientError> {
    let mut watcher = Watcher {
        is_live: std::io::stdout().is_terminal(),
        ..Watcher::new(connection, id, reporter, cancel)
    };
    watcher.follow()?;
    watcher.finish()
}

/// Follows a job to its end, without what it writes. Of one that is not the first of several it is not said
/// that it waits: the others go before it.
pub(crate) fn follow(
    connection: &Connection,
    id: &str,
    is_first: bool,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<(), ClientError> {
    let mut watcher = Watcher {
        state: if is_first { "" } else { PENDING }.to_owned(),
        is_explained: !is_first,
        ..Watcher::new(connection, id, reporter, cancel)
    };
    watcher.follow()
}

/// Asks for something that a server that is away for a while will have again.
pub(crate) fn get_patiently<T: DeserializeOwned>(
    connection: &Connection,
    path: &str,
    reporter: &dyn Reporter,
    cancel: &Cancellation,
) -> Result<T, ClientError> {
    Watcher::new(connection, "", reporter, cancel).get(path)
}

/// The state of a job that waits.
const PENDING: &str = "pending";

/// Events that may wait to be shown.
const BACKLOG: usize = 64;

/// What is heard while a job is followed.
enum News {
    Event(Event),
    End,
    Error(ReadError),
    Cancelled,
}

/// Hands over events, on a thread that a cancellation leaves alone: reading can not be interrupted.
fn forward(mut events: Events<impl std::io::Read>, to: &SyncSender<News>) {
    loop {
        let (news, is_last) = match events.next() {
            Ok(Some(event)) => (News::Event(event), false),
            Ok(None) => (News::End, true),
            Err(error) => (News::Error(error), true),
        };
        // Nobody listens any more once it is known how the job ended.
        if to.send(news).is_err() || is_last {
            return;
        }
    }
}

/// How often something is still tried, and when.
struct Patience {
    attempts: u32,
    pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            attempts: MAX_ATTEMPTS,
            pause: PAUSES[0],
        }
    }
}

impl Patience {
    /// How long to wait before the next attempt, if there is one.
    fn pause(&mut self) -> Option<Duration> {
        self.attempts = self.attempts.checked_sub(1).filter(|left| *left > 0)?;
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSES[1]);
        Some(pause)
    }
}

struct Watcher<'a> {
    connection: &'a Connection,
    id: &'a str,
    reporter: &'a dyn Reporter,
    cancel: &'a Cancellation,
    is_live: bool,
    shown: Shown,
    bytes: usize,
    state: String,
    /// Whether it was said why the job waits.
    is_explained: bool,
    /// Events so far.
    heard: u64,
}

impl<'a> Watcher<'a> {
    fn new(
        connection: &'a Connection,
        id: &'a str,
        reporter: &'a dyn Reporter,
        cancel: &'a Cancellation,
    ) -> Self {
        Self {
            connection,
            id,
            reporter,
            cancel,
            is_live: false,
            shown: Shown::default(),
            bytes: 0,
            state: String::new(),
            is_explained: false,
            heard: 0,
        }
    }

    /// Until the job is over.
    fn follow(&mut self) -> Result<(), ClientError> {
        let mut patience = Patience::default();
        loop {
            let heard = self.heard;
            let error = match self.listen() {
                Ok(true) => return Ok(()),
                // A server that ends says goodbye so.
                Ok(false) => self.connection.unreachable(&"the connection ended"),
                Err(error) => error,
            };
            if self.heard != heard {
                patience = Patience::default();
            }
            // A new connection begins with what the server kept, which may have been shown.
            self.is_live = false;
            self.bear(&mut patience, error)?;
        }
    }

    /// Asks for something until it is there.
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let mut patience = Patience::default();
        loop {
            match self.connection.get(path) {
                Ok(answer) => return Ok(answer),
                Err(error) => self.bear(&mut patience, error)?,
            }
        }
    }

    /// Waits after an error that may pass; every other one is returned.
    fn bear(&self, patience: &mut Patience, error: ClientError) -> Result<(), ClientError> {
        let Some(pause) = patience.pause().filter(|_| error.may_pass()) else {
            return Err(error);
        };
        self.reporter.warning(&format!("{error}; trying again"));
        self.wait(pause)
    }

    fn wait(&self, pause: Duration) -> Result<(), ClientError> {
        self.cancel.wait(pause);
        if self.cancel.is_cancelled() {
            return Err(ClientError::Interrupted);
        }
        Ok(())
    }

    /// Whether the job is over; otherwise the connection ended.
    fn listen(&mut self) -> Result<bool, ClientError> {
        let path = format!("/v0/jobs/{}/events", encoded(self.id));
        let events = Events::new(self.connection.stream(&path)?);
        let (send, receive) = sync_channel(BACKLOG);
        let told = send.clone();
        let _told = self.cancel.on_cancel(move || {
            // Where there is no room, the next event is looked behind.
            let _full = told.try_send(News::Cancelled);
        });
        thread::Builder::new()
            .name("events".to_owned())
            .spawn(move || forward(events, &send))
            .map_err(|error| self.connection.unreachable(&error))?;
        loop {
            // There is always somebody who may send: who tells of a cancellation.
            let news = receive.recv().unwrap_or(News::Cancelled);
            if self.cancel.is_cancelled() {
                return Err(ClientError::Interrupted);
            }
            let event = match news {
                News::Event(event) => event,
                News::End => return Ok(false),
                News::Cancelled => return Err(ClientError::Interrupted),
                News::Error(ReadError::Lost(cause)) => {
                    return Err(self.connection.unreachable(&cause));
                }
                News::Error(ReadError::Long) => return Err(ClientError::LongEvent(MAX_LINE)),
            };
            self.heard += 1;
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
                if self.state == PENDING && !std::mem::replace(&mut self.is_explained, true) {
                    self.explain()?;
                }
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

    /// Says why the job waits, if it does by now.
    fn explain(&self) -> Result<(), ClientError> {
        let job: Job = self.get(&format!("/v0/jobs/{}", encoded(self.id)))?;
        if let Some(waiting) = &job.waiting {
            let spec = job.spec_slug.as_ref().unwrap_or(&job.spec);
            let reason = printable(&waiting.reason(spec));
            if waiting.is_stuck() {
                self.reporter.warning(&format!("the job waits: {reason}"));
            } else {
                self.reporter.info(&format!("the job waits: {reason}"));
            }
        }
        Ok(())
    }

    /// What came of the job. It has ended, so it is worth asking again for.
    fn finish(&self) -> Result<u8, ClientError> {
        let job: Job = self.get(&format!("/v0/jobs/{}", encoded(self.id)))?;
        let path = format!("/v0/jobs/{}/results", encoded(self.id));
        let results: Vec<IterationOutput> = match self.get(&path) {
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
            if is_long(error) {
                self.reporter
                    .info("`runner jobs show --json` shows all that it says");
            }
        }
        self.tell_how_it_was_measured(&job);
        Ok(exit_code(&job, &results))
    }

    /// What was measured, and what speaks against that.
    fn tell_how_it_was_measured(&self, job: &Job) {
        let Some(measured) = &job.measured else {
            return;
        };
        for (name, text) in measured::rows(measured) {
            self.reporter.info(&printable(&format!("{name}: {text}")));
        }
        for doubt in Doubts::of([measured]).all() {
            self.reporter.warning(&printable(&doubt));
        }
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
