//! Whether an iteration's numbers are to be trusted: what the host went through meanwhile.
//!
//! ```text
//! Observer (one a run) ── before the command ─► Observation ┐
//!                      └─ after it ───────────► Observation ┴─► assess ─► Validity
//! ```
//!
//! The observer reads counters that the kernel keeps anyway, twice an iteration, and nothing in
//! between: while the command runs it does nothing at all. What a host does not tell is absent, and
//! what is absent raises no suspicion.

mod assess;
mod cool_down;
mod counters;
mod kernel_log;
mod observation;
mod sensors;

pub use assess::{Assessment, Suspicion, SuspicionKind, Validity, Verdict};
pub(crate) use assess::{OTHERS, POOR_CLOCKS, TICKS};
pub use cool_down::{CoolDown, Cooling};
pub(crate) use counters::cpu_times;
pub use observation::{Observation, Observer};
pub(crate) use sensors::{clock_source, temperature, throttlings};
