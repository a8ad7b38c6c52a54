//! The host's processors: what there is, who uses which, and keeping everybody to that.

mod layout;
mod set;
mod topology;

pub use layout::{Compromise, Demand, Layout, LayoutError, decide};
pub use set::{CpuSet, ParseCpuSetError};
pub use topology::{CoreKind, Cpu, Permitted, Topology};
