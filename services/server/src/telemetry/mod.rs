//! What is told of requests and of jobs: a trace id in each line of the log, and spans for a collector.

mod context;
mod export;
mod job;
mod otlp;
mod request;

pub(crate) use context::{Context, trace_id};
pub use context::{SpanId, TraceError, TraceId, TraceParent};
pub(crate) use export::{Exporter, start};
pub(crate) use job::{Ended, JobSpans};
pub(crate) use request::trace;
