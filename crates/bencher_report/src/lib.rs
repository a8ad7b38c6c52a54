//! From result documents to a comparison, and from that to what people and programs read.
//!
//! ```text
//! result documents (bencher_runner) -> comparison (bencher_statistics) -> text, page, export
//! ```
//!
//! Nothing here reads a file, a clock or a terminal: the same documents give the same text.

#![expect(
    clippy::format_push_string,
    reason = "texts are small, and writing to a string does not fail"
)]

pub mod bencher_metric_format;
pub mod comparison;
mod date;
pub mod history;
mod html;
mod quantity;
pub mod reproduce;
mod samples;
pub mod text;
mod unit;

pub use bencher_metric_format::bencher_metric_format;
pub use comparison::{Comparison, compare};
pub use history::{History, history};
pub use html::html;
pub use quantity::quantity;
pub use unit::MetricUnit;
