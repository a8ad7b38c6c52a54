//! Metrics of benchmark harnesses, out of what an iteration wrote.
//!
//! ```text
//! standard output or a collected file -> adapter (bencher_adapters) -> result::Harness
//! ```
//!
//! They are read when the iteration has ended, or later from a result document.

mod choice;
mod elsewhere;
mod inputs;
mod stored;
mod translate;

pub use choice::AdapterChoice;
pub use elsewhere::{Written, read_written};
pub(crate) use inputs::Inputs;
pub use stored::{ReadAgainError, read_again};
