//! The result document: what ran, where, and what came of it.

mod document;
mod iteration;
mod measures;
mod metrics;
mod spool;

pub use document::{
    Command, Host, Image, KernelIdentity, Layouts, Limits, Machine, Outcome, ResultDocument,
    RunnerIdentity, Setup, Trust, VERSION,
};
pub use iteration::{
    Content, EndedBy, FileOutput, HostCpu, Iteration, MissingOutput, Resources, Spans, StoredText,
};
pub use measures::{CountedCode, Measure, MeasureSource, PerfCounter, PerfCounters, Unit};
pub use metrics::metrics_line;
pub use spool::IterationSpool;
