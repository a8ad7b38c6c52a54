//! What a run says, while it runs: to the user, and to the server.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bencher_channel_protocol::{
    IterationOutput, OutputStream as Stream, RunnerMessage, Terminal, Uuid,
};
use tokio::sync::mpsc::UnboundedSender;

use super::driver::Event;
use super::output::{Wanted, failure};
use crate::Reporter;
use crate::reporter::OutputStream;
use crate::result::Iteration;

/// The most bytes of live output that wait, once for the driver and once for the server.
pub(super) const MOST_LIVE: usize = 1 << 20;

/// Passes on what a run says, and collects what it produces.
#[derive(Debug)]
pub(super) struct Listener {
    user: Arc<dyn Reporter>,
    events: UnboundedSender<Event>,
    wanted: Wanted,
    /// Where the run puts its outputs.
    folder: PathBuf,
    /// How long the message about the job may be, in bytes.
    limit: usize,
    /// Bytes of live output on their way; `None` where nobody asked for it.
    live: Option<Arc<AtomicUsize>>,
    collected: Mutex<Collected>,
}

/// What a run has produced so far.
#[derive(Debug, Default)]
struct Collected {
    command: Vec<Vec<u8>>,
    has_started: bool,
    results: Vec<IterationOutput>,
    bytes: usize,
    failure: Option<String>,
    /// Bytes of a character that is not complete, of standard output and standard error.
    halves: [Vec<u8>; 2],
}

impl Listener {
    pub(super) fn new(
        user: Arc<dyn Reporter>,
        events: UnboundedSender<Event>,
        wanted: Wanted,
        folder: PathBuf,
        limit: usize,
        live: Option<Arc<AtomicUsize>>,
    ) -> Self {
        Self {
            user,
            events,
            wanted,
            folder,
            limit,
            live,
            collected: Mutex::default(),
        }
    }

    /// What came of the iterations, and why the last one failed, if it did.
    pub(super) fn take(&self) -> (Vec<IterationOutput>, Option<String>) {
        let mut collected = self.collected();
        (
            std::mem::take(&mut collected.results),
            collected.failure.take(),
        )
    }

    /// Whether a command has started.
    pub(super) fn has_started(&self) -> bool {
        self.collected().has_started
    }

    fn collected(&self) -> MutexGuard<'_, Collected> {
        self.collected
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Passes text of the current iteration on.
    fn pass_on(&self, waiting: &AtomicUsize, collected: &Collected, stream: Stream, text: String) {
        if text.is_empty() {
            return;
        }
        waiting.fetch_add(text.len(), Ordering::Relaxed);
        let iteration = u32::try_from(collected.results.len()).unwrap_or(u32::MAX);
        self.tell(Event::Output {
            iteration,
            stream,
            text,
        });
    }

    /// A character that was not complete until now stays so: the result has it in the same way.
    fn end_of_output(&self, collected: &mut Collected) {
        let halves = std::mem::take(&mut collected.halves);
        let Some(waiting) = &self.live else {
            return;
        };
        for (half, stream) in halves.iter().zip([Stream::Stdout, Stream::Stderr]) {
            let text = String::from_utf8_lossy(half).into_owned();
            self.pass_on(waiting, collected, stream, text);
        }
    }

    fn tell(&self, event: Event) {
        // The driver ends only after the job.
        let _gone = self.events.send(event);
    }
}

impl Reporter for Listener {
    fn debug(&self, message: &str) {
        self.user.debug(message);
    }
    fn info(&self, message: &str) {
        self.user.info(message);
    }
    fn warning(&self, message: &str) {
        self.user.warning(message);
    }
    fn begin(&self, step: &str, total: Option<u64>) {
        self.user.begin(step, total);
    }
    fn advance(&self, done: u64) {
        self.user.advance(done);
    }
    fn end(&self) {
        self.user.end();
    }
    fn part(&self, name: &str, done: u64, total: u64) {
        self.user.part(name, done, total);
    }
    fn end_parts(&self) {
        self.user.end_parts();
    }

    fn started(&self, command: &[Vec<u8>]) {
        let mut collected = self.collected();
        if !std::mem::replace(&mut collected.has_started, true) {
            collected.command = command.to_vec();
            self.tell(Event::SetUp);
        }
    }

    fn output(&self, stream: OutputStream, bytes: &[u8]) {
        let Some(waiting) = &self.live else {
            return;
        };
        if waiting.load(Ordering::Relaxed) > MOST_LIVE {
            return;
        }
        let mut collected = self.collected();
        let (half, stream) = match stream {
            OutputStream::Stdout => (0, Stream::Stdout),
            OutputStream::Stderr => (1, Stream::Stderr),
        };
        let text = decode(&mut collected.halves[half], bytes);
        self.pass_on(waiting, &collected, stream, text);
    }

    fn iteration(&self, iteration: &Iteration, metrics_line: &str) {
        self.user.iteration(iteration, metrics_line);
        let mut collected = self.collected();
        self.end_of_output(&mut collected);
        if iteration.retried {
            return;
        }
        let output = self
            .wanted
            .output(iteration, &collected.command, &self.folder);
        collected.failure = failure(iteration);
        collected.bytes += size(&output);
        collected.results.push(output);
        // More than that will not be sent, and there may be thousands of iterations.
        if collected.bytes > self.limit.saturating_mul(4) {
            let results = std::mem::take(&mut collected.results);
            collected.results = cut(results, self.limit.saturating_mul(2));
            collected.bytes = collected.results.iter().map(size).sum();
        }
        let folder = self.folder.join(iteration.index.to_string());
        if let Err(error) = fs::remove_dir_all(&folder) {
            self.user
                .debug(&format!("failed to remove {}: {error}", folder.display()));
        }
    }
}

/// The characters that are complete; the beginning of another one stays for the next time.
fn decode(half: &mut Vec<u8>, bytes: &[u8]) -> String {
    half.extend_from_slice(bytes);
    let complete = match std::str::from_utf8(half) {
        Ok(_) => half.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // There is something in it that is not UTF-8: only its end may be half a character.
        Err(_) => {
            let tail = half.len().saturating_sub(3);
            let starts = (tail..half.len()).rev();
            let is_lead = |position: &usize| half[*position] >= 0xc0;
            starts.into_iter().find(is_lead).unwrap_or(half.len())
        }
    };
    let rest = half.split_off(complete);
    let text = String::from_utf8_lossy(half).into_owned();
    *half = rest;
    text
}

fn size(output: &IterationOutput) -> usize {
    let files = output.output.iter().flatten();
    let files: usize = files.map(|(path, text)| path.len() + text.len()).sum();
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    files + text(&output.stdout) + text(&output.stderr) + 64
}

/// As much of `results` as a message of `limit` bytes holds.
fn cut(results: Vec<IterationOutput>, limit: usize) -> Vec<IterationOutput> {
    let job = Uuid::nil();
    let completed = Terminal::Completed {
        job,
        results,
        evidence: None,
    };
    let encoded = completed.encode_within(limit);
    let message = encoded
        .ok()
        .and_then(|it| RunnerMessage::decode(&it.text).ok());
    match message {
        Some(RunnerMessage::Completed { results, .. }) => results,
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_whole_however_they_come() {
        for (pieces, expected) in [
            (&[&b"abc"[..]][..], "abc"),
            (&[b"a\xc3", b"\xa9b"], "aéb"),
            (&[b"\xf0\x9f", b"\x98", b"\x80"], "😀"),
            (&[b"\xff\xfea\xc3", b"\xa9"], "\u{fffd}\u{fffd}aé"),
        ] {
            let mut half = Vec::new();
            let text: String = pieces
                .iter()
                .map(|piece| decode(&mut half, piece))
                .collect();
            assert_eq!(text, expected);
            assert!(half.is_empty());
        }
    }

    #[test]
    fn results_are_cut_to_what_a_message_holds() {
        let output = IterationOutput {
            stdout: Some("x".repeat(10_000)),
            ..IterationOutput::default()
        };
        let results = cut(vec![output; 10], 20_000);
        assert_eq!(results.len(), 10);
        let bytes: usize = results.iter().map(size).sum();
        assert!(bytes < 21_000, "{bytes}");
    }
}
