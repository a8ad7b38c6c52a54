//! A streaming reader of tar archives in all the dialects that image layers are written in.
//!
//! ```text
//! ┌────────┬────────┬───────────────────┬────────┬──────────┬─────┬──────┬──────┐
//! │ 'x'    │ header │ file contents,    │ 'L'    │ header … │  …  │ zero │ zero │
//! │ header │ block  │ padded to 512     │ header │          │     │ block│ block│
//! └────────┴────────┴───────────────────┴────────┴──────────┴─────┴──────┴──────┘
//! ```
//!
//! | dialect | what it adds | source |
//! |---|---|---|
//! | V7 | 100-byte names, octal numbers | Unix V7 `tar(5)` |
//! | ustar | 155-byte prefix, devices, fifos | POSIX.1-1988, `pax` in POSIX.1-2017 |
//! | PAX | `x` and `g` headers with records | POSIX.1-2001 |
//! | GNU | `L`/`K` long names, base-256 numbers, `S` sparse files, PAX sparse 0.0, 0.1, 1.0 | GNU tar manual, appendix D |
//! | star | `SCHILY.*` records: xattrs, ACLs, devices | star's `star(4)` |
//! | libarchive | `LIBARCHIVE.xattr.*` records | libarchive's `tar(5)` |
//!
//! Everything about bytes (headers, numbers, records, maps, lists) is free of I/O; [`Reader`] puts
//! it together over any [`BufRead`](std::io::BufRead). Contents are handed out as slices of the
//! source's own buffer.

pub(crate) mod acl;
mod contents;
mod entry;
mod error;
mod extended;
mod header;
mod number;
mod pax;
mod reader;
mod sparse;
mod stream;

#[cfg(test)]
mod tests;

pub use contents::Data;
pub use entry::{Entry, EntryKind};
pub use error::{TarError, TarProblem};
pub use reader::Reader;
