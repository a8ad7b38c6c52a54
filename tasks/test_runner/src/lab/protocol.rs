//! What the harness and the agent in the lab say to each other.
//!
//! Frames in both directions over one virtio-serial port:
//!
//! ```text
//! ┌──────┬───────────────┬─────────┐
//! │ kind │ length (LE)   │ payload │
//! │ u8   │ u32           │         │
//! └──────┴───────────────┴─────────┘
//! ```
//!
//! ```text
//! agent    Ready ── Alive* ──────────────────────────────────────────────►
//! harness         └► Run ── Input* ─┐                   ┌► Run …
//! agent                             └► Stdout* Stderr* Results* Ended
//! ```

use std::collections::BTreeMap;
use std::io::{self, Write};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};

/// The name of the port.
pub(crate) const PORT: &str = "org.bencher.lab";

/// The most bytes of one payload.
const MAX_PAYLOAD: usize = 4 << 20;

/// The most bytes that a sender puts into one payload of a stream.
pub(crate) const CHUNK: usize = 64 << 10;

/// The bytes in front of a payload.
const HEADER: usize = 5;

/// A command for the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The program and its arguments.
    pub(crate) command: Vec<String>,
    /// The whole environment.
    pub(crate) environment: BTreeMap<String, String>,
    /// The working directory.
    pub(crate) directory: String,
    /// The folder whose contents are sent back after the command; emptied before it.
    pub(crate) results: String,
    /// Whether the command reads [`Message::Input`]; otherwise its standard input is empty.
    pub(crate) input: bool,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ended {
    /// It exited.
    Code(u8),
    /// A signal ended it.
    Signal(i32),
    /// It did not begin, for this reason.
    NotStarted(String),
}

impl Ended {
    /// The exit code that a shell would show.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Code(code) => *code,
            Self::Signal(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
            Self::NotStarted(_) => 127,
        }
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    /// The agent takes orders.
    Ready,
    /// The agent is alive: sent every second, so that an idle lab does not look like a frozen one.
    Alive,
    /// What the command wrote to its standard output.
    Stdout(Vec<u8>),
    /// What the command wrote to its standard error.
    Stderr(Vec<u8>),
    /// A piece of the tar of the results.
    Results(Vec<u8>),
    /// The command has ended, and everything of it was sent.
    Ended(Ended),
    /// Run a command.
    Run(Job),
    /// Something for the command's standard input; nothing ends it.
    Input(Vec<u8>),
}

impl Message {
    /// The frame's bytes.
    ///
    /// # Errors
    ///
    /// When a job or an end can not be written as JSON.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let json;
        let (kind, payload): (u8, &[u8]) = match self {
            Self::Ready => (1, &[]),
            Self::Alive => (2, &[]),
            Self::Stdout(bytes) => (3, bytes),
            Self::Stderr(bytes) => (4, bytes),
            Self::Results(bytes) => (5, bytes),
            Self::Ended(ended) => {
                json = serde_json::to_vec(ended)?;
                (6, &json)
            }
            Self::Run(job) => {
                json = serde_json::to_vec(job)?;
                (7, &json)
            }
            Self::Input(bytes) => (8, bytes),
        };
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(HEADER + payload.len());
        frame.push(kind);
        frame.extend(length.to_le_bytes());
        frame.extend(payload);
        Ok(frame)
    }

    /// Writes the frame.
    ///
    /// # Errors
    ///
    /// As [`Message::encode`], and when writing fails.
    pub(crate) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&self.encode()?)?;
        to.flush()
    }

    fn decode(kind: u8, payload: &[u8]) -> anyhow::Result<Self> {
        let bytes = || payload.to_vec();
        Ok(match kind {
            1 => Self::Ready,
            2 => Self::Alive,
            3 => Self::Stdout(bytes()),
            4 => Self::Stderr(bytes()),
            5 => Self::Results(bytes()),
            6 => Self::Ended(serde_json::from_slice(payload).context("an end is not JSON")?),
            7 => Self::Run(serde_json::from_slice(payload).context("a job is not JSON")?),
            8 => Self::Input(bytes()),
            _ => bail!("a frame is of the unknown kind {kind}"),
        })
    }
}

/// Makes messages of bytes that come in any pieces.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Takes what was read.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend(bytes);
    }

    /// The next whole message, if there is one.
    ///
    /// # Errors
    ///
    /// When the bytes are no frame; nothing that follows can be understood then.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Message>> {
        let Some((&[kind, a, b, c, d], rest)) = self.buffer.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes([a, b, c, d]) as usize;
        if length > MAX_PAYLOAD {
            bail!("a frame claims to have {length} bytes");
        }
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let message = Message::decode(kind, payload)?;
        self.buffer.drain(..HEADER + length);
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn job() -> Job {
        Job {
            command: vec!["echo".to_owned(), "ä b".to_owned()],
            environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            directory: "/".to_owned(),
            results: "/results".to_owned(),
            input: true,
        }
    }

    fn all() -> Vec<Message> {
        vec![
            Message::Ready,
            Message::Alive,
            Message::Stdout(vec![0, 255]),
            Message::Stderr(Vec::new()),
            Message::Results(vec![7; 1000]),
            Message::Ended(Ended::Code(3)),
            Message::Ended(Ended::NotStarted("no".to_owned())),
            Message::Run(job()),
            Message::Input(b"x".to_vec()),
        ]
    }

    proptest! {
        #[test]
        fn messages_survive_any_pieces(piece in 1_usize..64) {
            let mut bytes = Vec::new();
            for message in all() {
                message.send(&mut bytes).expect("memory takes everything");
            }
            let mut decoder = Decoder::default();
            let mut seen = Vec::new();
            for part in bytes.chunks(piece) {
                decoder.push(part);
                while let Some(message) = decoder.next().expect("they are frames") {
                    seen.push(message);
                }
            }
            prop_assert_eq!(seen, all());
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (bytes, why) in [
            (&[99, 0, 0, 0, 0][..], "unknown kind 99"),
            (&[3, 0, 0, 0, 255], "claims to have"),
            (&[6, 1, 0, 0, 0, b'x'], "not JSON"),
        ] {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            let error = decoder.next().expect_err("it is nonsense");
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn codes_are_those_of_a_shell() {
        assert_eq!(Ended::Code(7).code(), 7);
        assert_eq!(Ended::Signal(9).code(), 137);
        assert_eq!(Ended::NotStarted(String::new()).code(), 127);
    }
}
