//! The real binary, as a process of this host, with a real image around it.
//!
//! An image is a folder made of `BusyBox`; the test is the runner at the other end of the stream.
//! Most tests need root; where that or `BusyBox` is missing they say so and pass.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod end;
mod failures;
mod files;
mod harness;
mod idle;
mod isolation;
mod output;
mod stop;
mod user;
