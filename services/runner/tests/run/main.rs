//! `runner run` as its users know it: the real binary on real images.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod adapter;
mod bad_guest;
mod bad_input;
mod builders;
mod cache;
mod clock;
mod compare;
mod counters;
mod cpus;
mod doctor;
mod host;
mod hostile;
mod images;
mod jail;
mod microvm;
mod network;
mod preparing;
mod registry;
mod repetition;
mod reproduce;
mod schema;
mod setup;
mod support;
mod tuning;
mod validity;
