//! The protocol between the guest's init and the host: one duplex byte stream of frames.
//!
//! This crate encodes, decodes and checks the order of frames. It does no I/O, so the same code
//! serves virtio-serial, vsock and a socket pair, and every line of it can be tested and fuzzed
//! without a machine.
//!
//! # Wire format
//!
//! ```text
//! +----------------+--------+-----------------------+
//! | length: u32 LE | kind u8| payload: length bytes |
//! +----------------+--------+-----------------------+
//! ```
//!
//! The payload of a data frame (standard output, standard error, file contents) is the bytes
//! themselves. Every other payload is a [postcard] document of the message of that kind. The hello
//! frame is the exception: its layout never changes, so that two versions can always tell each
//! other apart.
//!
//! # Conversation
//!
//! ```text
//!  host                                guest
//!   |  <--- Hello(version) ------------  |   the guest is up and has opened the stream
//!   |  ---- Hello(version), Orders --->  |
//!   |  <--- Started -------------------  |   the command has begun
//!   |  <--- Stdout | Stderr ...--------  |
//!   |  ---- Stop --------------------->  |   at any time: signal, grace, kill
//!   |  <--- Exited --------------------  |   both pipes have ended, every process is reaped
//!   |  <--- FileBegin FileData* FileEnd  |   for each collected file
//!   |  <--- FileMissing ---------------  |   for each output that is not there
//!   |  <--- Done ----------------------  |
//!   X                                   |   the host hangs up, then the guest powers off
//!  Log may come at any time after Hello; Failed ends the conversation at any time.
//! ```
//!
//! The host hangs up once it has read `Done` or `Failed`. A guest waits for that before it powers
//! off: what a virtual port has taken is not yet what the host has read, and would be lost with the
//! machine.
//!
//! [`Conversation`] holds the host's view of this and refuses a frame out of turn, for the guest
//! runs untrusted images and may send anything.
//!
//! [postcard]: https://postcard.jamesmunns.com/wire-format

mod conversation;
mod decoder;
mod error;
mod frame;
mod guest;
mod host;

pub use conversation::Conversation;
pub use decoder::Decoder;
pub use error::ProtocolError;
pub use frame::{
    HEADER_LENGTH, MAX_DATA, MAX_GUEST_PAYLOAD, MAX_HOST_PAYLOAD, PROTOCOL_VERSION, data_header,
};
pub use guest::{ExitReport, ExitStatus, FileBegin, GuestMessage, LogLevel, Resources};
pub use host::{HostMessage, Layouts, Limits, Network, Orders, Root, Stop};
