//! From repeated measurements to answers: is B slower than A, by how much, and how sure is that?
//!
//! Nothing here reads a file or a clock. Everything is a function of its arguments: the same samples
//! and the same seed give the same answer, to the bit, on any host.
//!
//! ```
//! use bencher_statistics::{Design, Plan, Samples, Settings, Verdict, compare};
//!
//! // In which order to measure: five pairs, in turns.
//! let orders: Vec<_> = Plan::new(7).take(5).collect();
//! // What was measured: five invocations of each side, with two iterations each, in seconds.
//! let baseline = Samples::new(vec![
//!     vec![1.00, 1.01], vec![1.02, 1.01], vec![0.99, 1.00], vec![1.01, 1.01], vec![1.00, 1.02],
//! ])?;
//! let candidate = Samples::new(vec![
//!     vec![1.05, 1.06], vec![1.07, 1.05], vec![1.04, 1.05], vec![1.06, 1.07], vec![1.05, 1.05],
//! ])?;
//!
//! let settings = Settings::default();
//! let answer = compare(&baseline, &candidate, Design::Interleaved(&orders), &settings)?;
//! assert_eq!(answer.verdict, Verdict::Slower);
//! assert!((answer.ratio.value - 1.048).abs() < 0.001);
//! assert!(answer.ratio.low > 1.03 && answer.ratio.high < 1.07);
//! assert_eq!(answer.verdict.to_string(), "slower");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | room | what for |
//! |---|---|
//! | [`Samples`], [`Sorted`], [`Summary`] | measurements, and what they are like |
//! | [`Plan`], [`StopRule`] | in which order to measure, and when it is enough |
//! | [`estimate()`], [`compare()`], [`correct()`] | one side, two sides, many comparisons |
//! | [`RankTest`] | a second opinion by ranks |
//! | [`changes()`] | where a series of results changed |
//! | [`suspects`], [`TimeDependence`] | what is wrong with samples |
//! | [`simulation`] | made-up noise, to see what a method keeps of what it promises |
//!
//! docs/statistics.md says what is computed and why, and shows what of it holds.

mod bootstrap;
mod changes;
mod comparison;
mod describe;
mod diagnosis;
pub mod discovery;
pub mod distributions;
mod energy;
mod interval;
mod numeric;
mod plan;
mod random;
mod rank;
mod samples;
mod settings;
pub mod simulation;
mod stop;
mod verdict;

pub use bootstrap::{Center, Levels};
pub use changes::{ChangePoint, ChangeSettings, ChangesError, changes};
pub use comparison::{Comparison, ComparisonError, Design, Method, SideName, compare, correct};
pub use describe::{Sorted, Summary};
pub use diagnosis::{Suspect, TimeDependence, lag_one, suspects};
pub use interval::{Estimate, EstimateError, estimate};
pub use plan::{Order, Plan, Side};
pub use random::Random;
pub use rank::RankTest;
pub use samples::{Samples, SamplesError};
pub use settings::{Better, Clock, Confidence, Interest, Settings, SettingsError};
pub use stop::{Decision, FIRST_LOOK, Reason, StopRule};
pub use verdict::Verdict;
