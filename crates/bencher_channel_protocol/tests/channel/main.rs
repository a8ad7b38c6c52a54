//! The protocol as both ends of a channel see it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bounds;
mod cutting;
mod round_trip;
mod samples;
mod texts;
mod wire;
