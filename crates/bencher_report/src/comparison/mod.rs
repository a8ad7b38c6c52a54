//! The comparison document: two sides, and what each metric says of them.

mod differences;
mod document;
mod make;

pub(crate) use differences::facts_of;
pub use differences::{Difference, differences};
pub use document::{
    Answer, Arrangement, Better, Comparison, Design, First, Gate, Interval, Levels, Measurements,
    Method, MetricComparison, Point, Ranks, Settings, Side, Summary, VERSION, Verdict,
};
pub use make::{CompareError, Input, Options, Threshold, compare};
