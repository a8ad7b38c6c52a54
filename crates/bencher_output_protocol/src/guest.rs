//! What a guest says to the host.

use serde::{Deserialize, Serialize};

use crate::frame::{self, MAX_GUEST_PAYLOAD, PROTOCOL_VERSION, RawFrame};
use crate::{MAX_DATA, ProtocolError};

/// A message of the guest. Bytes are borrowed from the decoder, so a flood of output is never
/// copied on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GuestMessage<'a> {
    /// The guest is up.
    Hello {
        /// Nanoseconds since the guest's kernel began (`CLOCK_BOOTTIME`).
        boot_nanoseconds: u64,
        /// The guest kernel's release, as `uname -r` prints it.
        kernel_release: &'a str,
    },
    /// The command has begun.
    Started {
        /// Nanoseconds since the guest's kernel began (`CLOCK_BOOTTIME`).
        boot_nanoseconds: u64,
    },
    /// Bytes of the command's standard output.
    Stdout(&'a [u8]),
    /// Bytes of the command's standard error.
    Stderr(&'a [u8]),
    /// The command's processes have all ended and both pipes are drained.
    Exited(ExitReport),
    /// A collected file begins.
    FileBegin(FileBegin<'a>),
    /// Bytes of the file that began last.
    FileData(&'a [u8]),
    /// The file that began last is complete.
    FileEnd,
    /// An output that was asked for is not there, can not be read, or has more files than may be sent.
    FileMissing {
        /// The path as it was asked for.
        path: &'a [u8],
        /// Why it could not be collected.
        reason: &'a str,
    },
    /// A line of init's own log.
    Log {
        /// How important it is.
        level: LogLevel,
        /// The line, without a line end.
        text: &'a str,
    },
    /// Init could not do its work. Nothing follows.
    Failed {
        /// What it was doing, as in "failed to mount the root filesystem".
        stage: &'a str,
        /// Why that failed.
        reason: &'a str,
    },
    /// Everything has been said; the guest powers off.
    Done,
}

/// How the command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitStatus {
    /// It exited with this code (0 to 255).
    Exited(u8),
    /// This signal ended it.
    Signaled(u8),
    /// There is no such command in the image.
    NotFound(String),
    /// The command is there but can not be executed.
    NotExecutable(String),
}

impl ExitStatus {
    /// The code a shell would show: the command's own, 128 + signal, 127, 126.
    pub fn code(&self) -> u8 {
        match self {
            Self::Exited(code) => *code,
            Self::Signaled(signal) => 128_u8.saturating_add(*signal),
            Self::NotFound(_) => 127,
            Self::NotExecutable(_) => 126,
        }
    }
}

/// What the command's whole process tree used. A value the kernel does not tell is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resources {
    /// From just before the command's `execve` to its exit, in nanoseconds of `CLOCK_MONOTONIC`.
    pub wall_nanoseconds: u64,
    /// CPU time in user mode, in microseconds (cgroup `cpu.stat`).
    pub user_microseconds: Option<u64>,
    /// CPU time in kernel mode, in microseconds (cgroup `cpu.stat`).
    pub system_microseconds: Option<u64>,
    /// CPU time in all, in microseconds (cgroup `cpu.stat`).
    pub cpu_microseconds: Option<u64>,
    /// Most memory in use at one time, page cache included, in bytes (cgroup `memory.peak`).
    pub memory_peak_bytes: Option<u64>,
    /// Largest resident set of a single process, in bytes (`getrusage`).
    pub max_rss_bytes: u64,
    /// Page faults that needed no I/O (`getrusage`).
    pub minor_faults: u64,
    /// Page faults that needed I/O (`getrusage`).
    pub major_faults: u64,
    /// Context switches by waiting (`getrusage`).
    pub voluntary_switches: u64,
    /// Context switches by preemption (`getrusage`).
    pub involuntary_switches: u64,
    /// Bytes read from block devices (cgroup `io.stat`, else `getrusage`).
    pub read_bytes: u64,
    /// Bytes written to block devices (cgroup `io.stat`, else `getrusage`).
    pub write_bytes: u64,
    /// Processes killed for lack of memory (cgroup `memory.events`).
    pub oom_kills: u64,
}

/// How the command ended and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitReport {
    /// How the command ended.
    pub status: ExitStatus,
    /// What its process tree used.
    pub resources: Resources,
    /// Bytes the command wrote to standard output, those beyond the limit included.
    pub stdout_bytes: u64,
    /// Bytes the command wrote to standard error, those beyond the limit included.
    pub stderr_bytes: u64,
}

/// The head of a collected file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileBegin<'a> {
    /// Its absolute path in the guest. Bytes of the guest's choice: the host must not trust it.
    pub path: &'a [u8],
    /// Permission bits, `0o7777` at most.
    pub mode: u16,
    /// Its size in the guest, in bytes.
    pub size: u64,
    /// How many bytes of it will be sent: less than `size` when a limit cuts it.
    pub sent: u64,
}

/// How important a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Of use when looking for a fault in init itself.
    Debug,
    /// A step that was taken.
    Info,
    /// Something was left out or done otherwise.
    Warning,
}

mod kind {
    pub(super) const HELLO: u8 = 1;
    pub(super) const STARTED: u8 = 2;
    pub(super) const STDOUT: u8 = 3;
    pub(super) const STDERR: u8 = 4;
    pub(super) const EXITED: u8 = 5;
    pub(super) const FILE_BEGIN: u8 = 6;
    pub(super) const FILE_DATA: u8 = 7;
    pub(super) const FILE_END: u8 = 8;
    pub(super) const FILE_MISSING: u8 = 9;
    pub(super) const LOG: u8 = 10;
    pub(super) const FAILED: u8 = 11;
    pub(super) const DONE: u8 = 12;
}

impl<'a> GuestMessage<'a> {
    /// Kind of a [`GuestMessage::Stdout`] frame, for [`crate::data_header`].
    pub const STDOUT: u8 = kind::STDOUT;
    /// Kind of a [`GuestMessage::Stderr`] frame, for [`crate::data_header`].
    pub const STDERR: u8 = kind::STDERR;
    /// Kind of a [`GuestMessage::FileData`] frame, for [`crate::data_header`].
    pub const FILE_DATA: u8 = kind::FILE_DATA;

    /// The name of this kind of message in errors.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Started { .. } => "started",
            Self::Stdout(_) => "stdout",
            Self::Stderr(_) => "stderr",
            Self::Exited(_) => "exited",
            Self::FileBegin(_) => "file begin",
            Self::FileData(_) => "file data",
            Self::FileEnd => "file end",
            Self::FileMissing { .. } => "file missing",
            Self::Log { .. } => "log",
            Self::Failed { .. } => "failed",
            Self::Done => "done",
        }
    }

    /// The whole frame of this message.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::Unsendable`] when it exceeds [`MAX_GUEST_PAYLOAD`] (data: [`MAX_DATA`]).
    pub fn encode(&self) -> Result<Vec<u8>, ProtocolError> {
        let name = self.name();
        let document = |kind, result: postcard::Result<Vec<u8>>| {
            let payload = result.map_err(|error| ProtocolError::Malformed {
                index: 0,
                name,
                reason: error.to_string(),
            })?;
            frame::encode(name, kind, &payload, MAX_GUEST_PAYLOAD)
        };
        let data = |kind, bytes: &[u8]| {
            frame::encode(
                name,
                kind,
                bytes,
                u32::try_from(MAX_DATA).unwrap_or(u32::MAX),
            )
        };
        match self {
            Self::Hello {
                boot_nanoseconds,
                kernel_release,
            } => document(
                kind::HELLO,
                postcard::to_allocvec(&(boot_nanoseconds, kernel_release))
                    .map(|rest| frame::encode_hello(PROTOCOL_VERSION, &rest)),
            ),
            Self::Started { boot_nanoseconds } => {
                document(kind::STARTED, postcard::to_allocvec(boot_nanoseconds))
            }
            Self::Stdout(bytes) => data(kind::STDOUT, bytes),
            Self::Stderr(bytes) => data(kind::STDERR, bytes),
            Self::Exited(report) => document(kind::EXITED, postcard::to_allocvec(report)),
            Self::FileBegin(begin) => document(kind::FILE_BEGIN, postcard::to_allocvec(begin)),
            Self::FileData(bytes) => data(kind::FILE_DATA, bytes),
            Self::FileEnd => document(kind::FILE_END, Ok(Vec::new())),
            Self::FileMissing { path, reason } => {
                document(kind::FILE_MISSING, postcard::to_allocvec(&(path, reason)))
            }
            Self::Log { level, text } => document(kind::LOG, postcard::to_allocvec(&(level, text))),
            Self::Failed { stage, reason } => {
                document(kind::FAILED, postcard::to_allocvec(&(stage, reason)))
            }
            Self::Done => document(kind::DONE, Ok(Vec::new())),
        }
    }

    pub(crate) fn decode(raw: &RawFrame<'a>) -> Result<Self, ProtocolError> {
        let payload = raw.payload;
        match raw.kind {
            kind::HELLO => {
                let rest = frame::decode_hello(raw)?;
                let (boot_nanoseconds, kernel_release) =
                    frame::decode_document(raw, rest, "hello")?;
                Ok(Self::Hello {
                    boot_nanoseconds,
                    kernel_release,
                })
            }
            kind::STARTED => Ok(Self::Started {
                boot_nanoseconds: frame::decode_document(raw, payload, "started")?,
            }),
            kind::STDOUT => Ok(Self::Stdout(payload)),
            kind::STDERR => Ok(Self::Stderr(payload)),
            kind::EXITED => frame::decode_document(raw, payload, "exited").map(Self::Exited),
            kind::FILE_BEGIN => {
                frame::decode_document(raw, payload, "file begin").map(Self::FileBegin)
            }
            kind::FILE_DATA => Ok(Self::FileData(payload)),
            kind::FILE_END => {
                frame::decode_document(raw, payload, "file end").map(|()| Self::FileEnd)
            }
            kind::FILE_MISSING => {
                let (path, reason) = frame::decode_document(raw, payload, "file missing")?;
                Ok(Self::FileMissing { path, reason })
            }
            kind::LOG => {
                let (level, text) = frame::decode_document(raw, payload, "log")?;
                Ok(Self::Log { level, text })
            }
            kind::FAILED => {
                let (stage, reason) = frame::decode_document(raw, payload, "failed")?;
                Ok(Self::Failed { stage, reason })
            }
            kind::DONE => frame::decode_document(raw, payload, "done").map(|()| Self::Done),
            kind => Err(ProtocolError::UnknownKind {
                index: raw.index,
                kind,
            }),
        }
    }
}
