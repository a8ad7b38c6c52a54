//! Series of results, and where they changed.

mod document;
mod make;
mod words;

pub use document::{Change, Entry, History, Series, VERSION};
pub use make::{HistoryError, HistoryOptions, history};

#[cfg(test)]
mod tests;
