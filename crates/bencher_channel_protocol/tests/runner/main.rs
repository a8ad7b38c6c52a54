//! The runner's side of the channel, by tables of what comes in and what goes out, and by random
//! orders of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod connecting;
mod course;
mod delivering;
mod host;
mod interleavings;
mod keeping;
mod stopping;
mod working;
mod world;
