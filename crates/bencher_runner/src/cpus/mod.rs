//! The host's processors, as the kernel numbers them.

mod set;

pub use set::{CpuSet, ParseCpuSetError};
