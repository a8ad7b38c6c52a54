//! The comparison document: two sides, and what each metric says of them.

mod again;
mod differences;
mod document;
mod error;
mod gate;
mod input;
mod make;
mod metric;
mod of_harness;
mod of_jobs;
mod of_outputs;
mod partial;
mod time;
mod warnings;

pub use again::{Run, check_machines, check_same};
pub(crate) use differences::facts_of;
pub use differences::{Difference, differences};
pub use document::{
    Answer, Arrangement, Better, Comparison, Design, First, Gate, Interval, Levels, Measurements,
    Method, MetricComparison, Point, Ranks, Settings, Side, Summary, VERSION, Verdict,
};
pub use error::CompareError;
pub use input::{Input, Options, Threshold};
pub use make::compare;
pub use partial::{check_recorded, compare_what_there_is};
pub use time::TimeDependence;
