//! The comparison document: two sides, and what each metric says of them.

mod differences;
mod document;
mod error;
mod gate;
mod input;
mod make;
mod metric;
mod time;
mod warnings;

pub(crate) use differences::facts_of;
pub use differences::{Difference, differences};
pub use document::{
    Answer, Arrangement, Better, Comparison, Design, First, Gate, Interval, Measurements, Method,
    MetricComparison, Point, Ranks, Settings, Side, Summary, VERSION, Verdict,
};
pub use error::CompareError;
pub use input::{Input, Options, Threshold};
pub use make::compare;
pub use time::TimeDependence;
