//! The last lines of a machine's console: what an error shows when a guest does not come up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::printable::is_printable;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::task::JoinHandle;

/// Lines that are kept.
const LINES: usize = 40;

/// Bytes of a line that are kept: a guest may write one without an end.
const LINE_LENGTH: usize = 400;

/// How the kernel begins to say that it panicked (kernel/panic.c).
const PANIC: &str = "Kernel panic - not syncing";

/// The last lines that something wrote, made safe to print: a guest chooses what it writes.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    lines: VecDeque<String>,
    open: Vec<u8>,
    /// The first line of a panic: a long trace after it must not push it out.
    panic: Option<String>,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte == b'\n' {
                self.close_line();
            } else if self.open.len() < LINE_LENGTH {
                self.open.push(byte);
            }
        }
    }

    fn close_line(&mut self) {
        let line = printable(&self.open);
        self.open.clear();
        if line.is_empty() {
            return;
        }
        if self.panic.is_none()
            && let Some(start) = line.find(PANIC)
        {
            self.panic = Some(line[start..].to_owned());
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The lines, oldest first, without control characters.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// The guest kernel's panic message, if it panicked.
    pub fn kernel_panic(&self) -> Option<&str> {
        self.panic.as_deref()
    }
}

/// `bytes` as text, without terminal escape sequences and other control characters.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars()
        .map(|character| if character == '\t' { ' ' } else { character })
        .filter(|&character| is_printable(character))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// Reads a console to its end in the background.
#[derive(Debug)]
pub(crate) struct Console {
    tail: Arc<Mutex<Tail>>,
    reader: JoinHandle<()>,
}

impl Console {
    pub(crate) fn follow(mut source: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let shared = Arc::clone(&tail);
        let reader = tokio::spawn(async move {
            let mut buffer = vec![0; 4096];
            // A console that can not be read further has ended, for whatever reason.
            while let Ok(count @ 1..) = source.read(&mut buffer).await {
                shared
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(&buffer[..count]);
            }
            shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .close_line();
        });
        Self { tail, reader }
    }

    /// Waits for the console's end and returns its last lines.
    pub(crate) async fn finish(self) -> Tail {
        // The task neither panics nor is it cancelled; if it were, what it read is still there.
        let _ended = self.reader.await;
        self.tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(text: &[u8]) -> Vec<String> {
        let mut tail = Tail::default();
        tail.push(text);
        tail.close_line();
        tail.lines().map(str::to_owned).collect()
    }

    #[test]
    fn the_last_lines_are_kept() {
        let text: Vec<_> = (0..100).map(|line| format!("line {line}\r\n")).collect();
        let lines = tail(text.concat().as_bytes());
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines.first().unwrap(), "line 60");
        assert_eq!(lines.last().unwrap(), "line 99");
    }

    #[test]
    fn hostile_lines_are_cut_and_made_printable() {
        let lines = tail(b"\x1b[2Jcls\x07 \xff ok");
        assert_eq!(lines, ["[2Jcls \u{fffd} ok"]);
        let endless = vec![b'a'; 1 << 20];
        assert_eq!(tail(&endless)[0].len(), LINE_LENGTH);
    }

    #[test]
    fn a_panic_is_found() {
        let mut tail = Tail::default();
        tail.push(
            b"[    2.17] Kernel panic - not syncing: VFS: Unable to mount\n[    2.18] CPU: 0\n",
        );
        tail.push(&b"trace\n".repeat(100));
        assert_eq!(
            tail.kernel_panic(),
            Some("Kernel panic - not syncing: VFS: Unable to mount")
        );
    }
}
