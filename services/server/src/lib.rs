//! The server that runners claim their jobs from, and that people submit them to.
//!
//! ```text
//!  people ── REST, server-sent events ──► api ──────┐
//!                                                   ├──► store (SQLite or PostgreSQL)
//!  runners ── WebSocket ──► channel ──► dispatch ───┘         │
//!                                          ▲                  │ what has changed
//!                                          └────── bus ◄──────┘
//! ```
//!
//! What happens to a job is decided by `bencher_jobs`, without I/O; `store` does it in transactions;
//! `dispatch` puts everything that runners do at one moment into one of them. Nothing is known only
//! in memory: a server can be killed at any moment, and another one goes on.

mod agreement;
mod api;
mod app;
mod beside;
mod bus;
mod channel;
mod counted;
mod deletion;
mod dispatch;
mod evidence;
mod first;
mod folder;
mod iterations;
mod key;
mod limiter;
mod listen;
mod live;
mod metrics;
mod moment;
mod observer;
mod outputs;
mod processor;
mod readiness;
mod registry;
mod releases;
mod room;
mod seal;
mod serve;
mod server;
mod service;
mod settings;
pub mod store;
mod summary;
mod telemetry;
mod time;
mod turns;
mod variables;
mod watchers;
mod web;

pub use api::document;
pub use first::{First, FirstError};
pub use folder::FolderError;
pub use key::{Key, NoRandomness};
pub use outputs::{Bucket, Kept, OutputError, OutputPlace, Outputs, PlaceError, Reading};
pub use registry::{Minter, MinterError};
pub use seal::SealError;
pub use server::{Fronted, Place, Server, ServerError};
pub use settings::Settings;
pub use telemetry::{SpanId, TraceError, TraceId, TraceParent};
