//! The protocol between `runner up` and the server whose jobs it runs: JSON text frames on one
//! WebSocket, over many jobs.
//!
//! This crate holds the messages, their bounds and their text form. It does no I/O, so both ends use
//! it, and all of it can be tested and fuzzed without a network.
//!
//! # Wire format
//!
//! `GET {host}/v0/runners/{runner}/channel` with `Authorization: Bearer bencher_runner_…`, upgraded to
//! a WebSocket. Each text frame is an object with `"event"` beside the fields of that event:
//!
//! ```text
//!  runner                                        server
//!   |  ---- ready(poll_timeout?, runner?) ------->  |
//!   |  <--- no_job | update(version, url, ...) ---  |   then ready again
//!   |  <--- job(uuid, spec, config, ...) ---------  |   the job is claimed
//!   |  ---- heartbeat --------------------------->  |   each second, until the end
//!   |  <--- ack | cancel -------------------------  |
//!   |  ---- running ----------------------------->  |   set up; the benchmark starts
//!   |  <--- ack | cancel -------------------------  |
//!   |  ---- completed | failed | canceled ------->  |   exactly one
//!   |  <--- ack(job?) ----------------------------  |   else it is sent again after a reconnect
//! ```
//!
//! Fields that are not known are passed over, so that either side may be newer; an event that is not
//! known is an error. What is absent is left out and not null, except [`JobSpec::sandbox`].
//!
//! # Live output
//!
//! An extension that both sides must ask for: the runner says [`Ready::live_output`], the server
//! then may say [`Job::live_output`], and only for such a job the runner sends [`Event::Output`]s. Neither
//! end bothers one that does not know it.
//!
//! [`Event::Output`]: RunnerMessage::Output
//!
//! # Evidence
//!
//! Another extension, and asked for in the same way: the runner says [`Ready::evidence`], the server then may
//! say [`Job::evidence`], and the last message about such a job has, beside `results`, the field `evidence`:
//! an object of at most [`MAX_EVIDENCE_BYTES`], which this protocol does not look into ([`Evidence`]). What is
//! no such object costs no results: who receives it looks at it by itself ([`Evidence::check`]).
//!
//! # The newest connection
//!
//! Another extension: the request for the upgrade says with [`CONNECTION_HEADER`] which of its process's
//! connections this is, so that a server to which an earlier one comes late does not take it for the newer
//! one. A server that does not know the header passes it over, and a request without it, or with one that
//! makes no sense, says nothing.

mod bounds;
mod close;
mod config;
mod connection;
mod cut;
mod decode;
mod digest;
mod error;
mod evidence;
mod excerpt;
mod id;
mod job;
mod key;
mod live;
mod output;
mod poll;
mod results;
pub mod runner;
mod runner_message;
mod server_message;
mod spec;

pub use bounds::{
    BoundError, MAX_ARGUMENTS, MAX_ENVIRONMENT, MAX_ERROR_BYTES, MAX_FILE_PATHS, MAX_FILES,
    MAX_ITERATIONS, MAX_NAME_BYTES, MAX_PATH_BYTES, MAX_TEXT_BYTES, MAX_TOKEN_BYTES, MAX_URL_BYTES,
    MESSAGE_LIMIT,
};
pub use close::{CloseReason, REPLACED};
pub use config::JobConfig;
pub use connection::{CONNECTION_HEADER, ConnectionNumber, ConnectionNumberError};
pub use cut::{EVIDENCE_OF_CUT, Encoded, TooSmall};
pub use digest::{Checksum, ChecksumError, ImageDigest};
pub use error::DecodeError;
pub use evidence::{Evidence, EvidenceError, MAX_EVIDENCE_BYTES};
pub use excerpt::Excerpt;
pub use id::{RunnerId, RunnerIdError};
pub use job::Job;
pub use key::{KeyError, PullToken, RunnerKey};
pub use live::{LiveOutput, OutputStream};
pub use output::{IterationOutput, RESERVED_OUTPUT};
pub use poll::{PollTimeout, PollTimeoutError};
pub use runner_message::{Ready, RunnerInfo, RunnerMessage, Terminal, UpdateChannel};
pub use server_message::{ServerMessage, Update};
pub use spec::{Architecture, JobSpec, Os, SandboxKind};
pub use uuid::Uuid;

/// The path of a runner's channel below the server's address.
pub fn channel_path(runner: &RunnerId) -> String {
    format!("/v0/runners/{runner}/channel")
}
