//! The result document: what ran, where, and what came of it.

mod document;
pub(crate) mod evidence;
pub(crate) mod harness;
mod iteration;
mod measures;
mod metric;
mod metric_name;
mod metrics;
mod perf_event;
mod read;
mod spool;

pub use document::{
    Command, Host, Image, KernelIdentity, Layouts, Limits, Machine, Outcome, Precision,
    ResultDocument, RunnerIdentity, Setup, StopReason, Trust, VERSION,
};
pub use harness::{Better, Harness, HarnessMetric};
pub use iteration::{
    Content, EndedBy, FileOutput, HostCpu, Iteration, MissingOutput, Resources, Spans, StoredText,
};
pub use measures::{CountedCode, Measure, MeasureSource, PerfCounter, PerfCounters, Unit};
pub use metric::Metric;
pub use metric_name::MetricName;
pub use metrics::metrics_line;
pub(crate) use perf_event::PerfEvent;
pub use read::{Iterations, ReadError, is_result, parse, read};
pub(crate) use read::{file_of, load};
pub use spool::IterationSpool;
