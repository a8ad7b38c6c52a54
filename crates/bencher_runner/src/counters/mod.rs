//! Counters of the host's processor and kernel, of what executes the command.
//!
//! ```text
//! guest says hello    threads known ─► each event opened on each of them, and started
//! orders are sent     the command starts
//! guest reports       stopped, read, added up ─► result
//! ```
//!
//! A Firecracker shows its guest no counters, so the guest can not count for itself. But the host
//! can: a vCPU is a thread of the VMM, and the processor can count only while it executes a guest.
//! Whatever can not be counted here is said in one line, and is no failure.
//!
//! Events are opened one by one and not as a group: a group that is larger than the processor's set
//! of counters would never count anything.

mod counting;
mod event;
pub(crate) mod kvm_exits;
mod meters;
mod reading;
mod refusal;

pub(crate) use counting::Counting;
pub(crate) use meters::Meters;
