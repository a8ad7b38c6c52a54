//! Whole images: made by hand to be good or bad in one way, and made by the tools people use.

#![expect(clippy::unwrap_used, reason = "helpers of tests panic like tests")]

mod archives;
mod formats;
mod hostile_blobs;
mod hostile_documents;
mod layouts;
mod selection;
mod support;
mod tools;
