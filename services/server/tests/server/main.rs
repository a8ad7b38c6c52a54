//! The real program, with runners that speak the protocol to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod access;
mod admin;
mod backup;
mod bodies;
mod channel;
mod client;
mod comparisons;
mod conflicts;
mod crash;
mod deletion;
mod evidence;
mod floods;
mod jobs;
mod live;
mod lost;
mod metrics;
mod moments;
mod on_their_way;
mod openapi;
mod outage;
mod outputs;
mod postgres;
mod quick_start;
mod registry;
mod releases;
mod rm;
mod roles;
mod scheduling;
mod service;
mod silence;
mod support;
mod terminal;
mod tls;
mod traces;
mod two_runners;
mod waiting;
mod watchers;
mod web;
