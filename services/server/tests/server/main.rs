//! The real program, with runners that speak the protocol to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod access;
mod admin;
mod bodies;
mod channel;
mod client;
mod comparisons;
mod conflicts;
mod crash;
mod deletion;
mod evidence;
mod jobs;
mod live;
mod lost;
mod metrics;
mod openapi;
mod outage;
mod outputs;
mod postgres;
mod registry;
mod releases;
mod rm;
mod scheduling;
mod service;
mod support;
mod tls;
mod traces;
mod two_runners;
mod waiting;
mod watchers;
mod web;
