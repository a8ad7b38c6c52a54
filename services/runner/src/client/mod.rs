//! A client of `bencher-server`.

mod connection;
mod error;
mod events;
pub(crate) mod measured;
mod outcome;
mod pages;
mod shown;
mod text;
mod watch;

pub(crate) use connection::{Connection, Deleted, encoded, token};
pub(crate) use error::ClientError;
pub(crate) use outcome::is_over;
pub(crate) use pages::listed;
pub(crate) use text::{is_long, printable};
pub(crate) use watch::{follow, get_patiently, watch};
