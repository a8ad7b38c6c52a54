//! The registry client against a real registry, and against servers that are bad in one way each.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod cancelling;
mod content;
mod documents;
mod errors;
mod exchange;
mod logins;
mod real;
mod real_tokens;
mod realms;
mod redirects;
mod retries;
mod secrecy;
mod server;
mod site;
mod support;
mod tokens;
mod transfer;
