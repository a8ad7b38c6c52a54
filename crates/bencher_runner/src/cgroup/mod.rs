//! A cgroup (v2) for each machine: what runs in it is counted, limited, and ended as one.
//!
//! ```text
//! <cgroup2>/bencher-runner/<run>.<iteration>     as root
//! <cgroup2>/bencher-runner.quiet/<run>.<iteration>   as root, with CPUs of its own
//! <cgroup2>/<own>/bencher-runner.<run>.<iteration>   as a user, where the own cgroup is the user's
//! ```
//!
//! Hosts differ: some have no cgroup v2, some only a hierarchy without controllers beside v1, some
//! give users none. So nothing here is taken for granted, and what is missing is said.

mod hierarchy;
mod machine;
mod parent;
mod quiet;
mod removal;

pub(crate) use hierarchy::{has_controller, legacy, unified};
pub(crate) use machine::{Cgroup, CgroupError, CgroupLimits, CpuTime};
pub(crate) use parent::pass_controllers_on;
pub(crate) use quiet::{make_quiet, quiet, set};
pub(crate) use removal::remove_tree;
