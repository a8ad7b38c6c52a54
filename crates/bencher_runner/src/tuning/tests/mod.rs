//! Tuning as a whole, on hosts that are folders.

mod crash;
pub(super) mod fake;
mod journal;
mod session;
mod standing;
