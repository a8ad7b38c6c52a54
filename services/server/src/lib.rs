//! The server that runners claim their jobs from, and that people submit them to.

pub mod store;
