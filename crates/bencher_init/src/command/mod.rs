//! The command: from orders to a process, and to what is left of it.

mod child;
mod exec;
mod explain;
mod reaper;
mod spec;

pub(crate) use child::{Ends, Surroundings};
pub(crate) use reaper::run as run_reaper;
pub(crate) use spec::Command;
