//! The real program, with runners that speak the protocol to it.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod access;
mod channel;
mod client;
mod crash;
mod jobs;
mod openapi;
mod outage;
mod postgres;
mod registry;
mod scheduling;
mod support;
mod traces;
mod web;
