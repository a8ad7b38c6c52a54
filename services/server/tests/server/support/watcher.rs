//! Somebody who watches a job.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use serde_json::Value;

use super::{Api, PATIENCE};

/// Somebody who watches a job: its states in capital letters, and what it writes.
pub(crate) struct Watcher {
    news: Receiver<String>,
    pub(crate) seen: String,
}

impl Watcher {
    pub(crate) fn of(api: &Api, id: &str) -> Self {
        let events = api.events(id);
        let (tell, news) = channel();
        thread::spawn(move || {
            for (name, data) in events {
                let told = match name.as_str() {
                    "state" => format!("[{}]", text(&data["state"]).to_uppercase()),
                    _ => text(&data["text"]),
                };
                // The test may be over.
                let _over = tell.send(told);
            }
        });
        Self {
            news,
            seen: String::new(),
        }
    }

    /// Waits until this is the end of what was seen.
    pub(crate) fn sees(&mut self, end: &str) {
        while !self.seen.ends_with(end) {
            match self.news.recv_timeout(PATIENCE) {
                Ok(told) => self.seen.push_str(&told),
                Err(error) => panic!("{end} does not come after {}: {error}", self.seen),
            }
        }
    }

    /// Waits until nothing more comes.
    pub(crate) fn ends(&mut self) {
        loop {
            match self.news.recv_timeout(PATIENCE) {
                Ok(told) => self.seen.push_str(&told),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => panic!("it goes on after {}", self.seen),
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
