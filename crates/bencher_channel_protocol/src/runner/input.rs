use uuid::Uuid;

use crate::{Checksum, DecodeError, Evidence, IterationOutput, OutputStream, ServerMessage};

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
        /// How it was measured, if that is known.
        evidence: Option<Evidence>,
        /// Why it failed, if it did.
        failure: Option<Failure>,
    },
    /// A letter could not be written to disk.
    NotPersisted {
        /// The letter.
        letter: Letter,
        /// Why.
        error: String,
    },
    /// A letter was read from disk.
    Loaded(Letter),
    /// A letter could not be read from disk.
    NotLoaded {
        /// The job.
        job: Uuid,
        /// Why.
        problem: NotLoaded,
    },
    /// There is room on disk for a letter, or why there is none.
    Room(Result<(), String>),
    /// This host can run jobs, or why it can not. It may be told without having been asked.
    Host(Result<(), String>),
    /// The runner is to stop.
    Stop,
    /// Another program is fit to take this one's place.
    Updated,
    /// None is.
    UpdateFailed(UpdateFailure),
}

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Why, for the job's owner.
    pub error: String,
    /// Whose fault it is.
    pub fault: Fault,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The job's, or nobody's: it says nothing of other jobs.
    Job,
    /// This host's: other jobs would fail in the same way.
    Host,
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
    /// The jobs whose letters are on disk by now, the oldest first, if that is known: the program that was
    /// tried has had the outbox, and may have had a job.
    pub outbox: Option<Vec<Uuid>>,
}

/// Why a letter could not be read from disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLoaded {
    /// There is none any more: it is gone, or what is there is none.
    Lost(String),
    /// Another time it may be.
    Unreadable(String),
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
