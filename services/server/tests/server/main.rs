//! The real program, with runners that speak the protocol to it.

mod access;
mod channel;
mod crash;
mod jobs;
mod openapi;
mod postgres;
mod scheduling;
mod support;
mod web;
