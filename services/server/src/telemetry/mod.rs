//! What is told of requests: a trace id in each line of the log, and spans for a collector.

mod context;
mod export;
mod otlp;
mod request;

pub(crate) use export::{Exporter, start};
pub(crate) use request::trace;
