//! Tuning as a whole, on hosts that are folders.

mod crash;
pub(super) mod fake;
mod interrupts;
mod journal;
mod kernel;
mod session;
mod standing;
