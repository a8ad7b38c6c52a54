//! Metrics out of what benchmark harnesses print or write.
//!
//! Nothing here reads a file. An output is untrusted: it may be anything, and what comes of it is a
//! report with finite numbers in one unit each, or one error that says what to do.
//!
//! ```
//! use bencher_adapters::{Adapter, LATENCY, parse_any};
//!
//! let output = b"goos: linux\nBenchmarkSort-2 \t 1000\t 5128 ns/op\nBenchmarkSort-2 \t 1000\t 5346 ns/op\n";
//! let (adapter, report) = parse_any(output, None)?;
//! assert_eq!(adapter, Adapter::Go);
//! let time = report.metric("BenchmarkSort-2", LATENCY).expect("it was measured");
//! assert_eq!((time.unit.as_str(), time.values.as_slice()), ("ns", &[5128.0, 5346.0][..]));
//! # Ok::<(), bencher_adapters::AdapterError>(())
//! ```
//!
//! docs/metrics.md has the table of formats.

mod adapter;
mod error;
mod formats;
mod report;
mod units;

pub use adapter::{Adapter, LARGEST_INPUT, UnknownAdapter, parse_any};
pub use error::AdapterError;
pub use report::{Bounds, LATENCY, Metric, Report, THROUGHPUT};
