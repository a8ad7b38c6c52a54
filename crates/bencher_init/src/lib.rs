//! The guest's PID 1: it makes the world that an image's command expects, runs the command in it,
//! and tells the host everything that comes of it.
//!
//! # Processes
//!
//! ```text
//!  init ------------- waits in one epoll: stream, pipes, reports, timer; never polls, never sleeps
//!    \-- reaper ----- PID 1 of a pid namespace; its end is the end of all below
//!          \-- command  PID 2 there: own session, cgroup, user; stdin is /dev/null
//!                \-- whatever it starts
//! ```
//!
//! Init itself is in no namespace with the command, is spared by the out-of-memory killer, and
//! holds one frame of output at most: when the host reads slowly, the command writes slowly.
//!
//! # Two lives
//!
//! - As PID 1 of a virtual machine it boots from an initramfs: kernel modules, the stream's port,
//!   the root disk.
//! - As `bencher_init host --stream-fd N` it is an ordinary process that first moves to namespaces
//!   of its own.
//!
//! From the mounted root file system on both are the same code.
//!
//! # Time
//!
//! The command's wall time begins in its own process right before `execve` and ends when the
//! reaper has waited for it: neither the start of init and the pipes' making nor the drain of its
//! output and the end of what it left behind are part of it.
//!
//! # What an image finds changed
//!
//! A folder for each mount that it lacks, `/etc/hosts` and `/etc/hostname` if it has none, the
//! working directory if it is missing. Nothing that is there is changed, and all of it happens in
//! the run's own copy of the root file system.

mod alarm;
mod cgroup;
mod clock;
mod collect;
mod command;
mod confine;
mod error;
mod host;
mod image;
mod life;
mod link;
mod netlink;
mod network;
mod outbox;
mod output;
mod poller;
mod report;
mod run;
mod serve;
mod stop;
mod switches;
mod sys;
mod text;
mod user;
mod vm;

pub use error::{InitError, Reason};
pub use life::live;
pub use user::LookupError;
