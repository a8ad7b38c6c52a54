//! The host's processors: what there is, who uses which, and keeping everybody to that.

mod affinity;
mod layout;
mod memory;
mod partition;
mod pinning;
mod placement;
mod precedence;
mod set;
mod topology;

pub(crate) use affinity::{KeptAffinity, permitted, set_this_thread, thread_time};
pub use layout::{Compromise, Demand, Layout, LayoutError, decide};
pub(crate) use memory::bind_this_thread;
pub use partition::PartitionKind;
pub(crate) use pinning::{Claim, Machines, Pinning, give_back_left_over, has_left_over, this_host};
pub use pinning::{CpuChoice, CpuLayoutState};
pub(crate) use placement::{Placement, PlacementError, child_of, vcpu_threads};
pub use set::{CpuSet, ParseCpuSetError};
pub use topology::{CoreKind, Cpu, Permitted, Topology};
