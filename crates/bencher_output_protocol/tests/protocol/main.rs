//! The protocol as both sides use it: encoded on one, cut and decoded on the other.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod decoding;
mod order;
mod round_trip;
mod samples;
