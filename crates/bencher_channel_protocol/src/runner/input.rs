use crate::{Checksum, DecodeError, IterationOutput, OutputStream, ServerMessage};

use super::{Letter, Timer};

/// Something that has happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// There is a connection.
    Connected,
    /// There is no connection any more, or none came about.
    Disconnected(Ending),
    /// The server has sent a text.
    Received(Result<ServerMessage, DecodeError>),
    /// The time of a timer has come.
    Fired(Timer),
    /// The job is set up: its benchmark starts.
    SetUp,
    /// The command has written something.
    Output {
        /// The iteration, from 0.
        iteration: u32,
        /// Where it wrote it.
        stream: OutputStream,
        /// What it wrote.
        text: String,
    },
    /// The job has ended, by itself or because it was killed.
    Ended {
        /// What was collected.
        results: Vec<IterationOutput>,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// The runner is to stop.
    Stop,
    /// Another program is fit to take this one's place.
    Updated,
    /// None is.
    UpdateFailed(UpdateFailure),
}

/// Why the driver has not become another program.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateFailure {
    /// The program.
    pub checksum: Checksum,
    /// Why.
    pub error: String,
    /// Whether it is the program's own fault, and will be the same another time.
    pub is_final: bool,
    /// What is on disk by now: the program that was tried may have had a job.
    pub outbox: Vec<Letter>,
}

/// How a connection ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// None came about.
    Unreachable(String),
    /// What answers there speaks another protocol: what it does not speak, and what to try.
    Foreign(String),
    /// The server answered with an HTTP status instead of a connection.
    Refused {
        /// The status.
        status: u16,
    },
    /// The stream ended without a close frame.
    EndOfFile,
    /// The connection was reset, or failed otherwise.
    Reset(String),
    /// The server closed it.
    Closed {
        /// The code of RFC 6455.
        code: u16,
        /// The reason, as it was sent.
        reason: String,
    },
}
