//! `runner up`: the real binary, a registry, and a server that does what a test says.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod bench;
mod channel;
mod evidence;
mod fitness;
mod housekeeping;
mod jobs;
mod keeping;
mod limits;
mod outputs;
mod proxies;
mod restarts;
mod server;
mod service;
mod stopping;
#[path = "../run/support/mod.rs"]
#[expect(dead_code, unused_imports, reason = "the tests of `run` use the rest")]
mod support;
mod trials;
mod tuning;
mod two;
mod updating;
