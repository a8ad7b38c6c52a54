//! Init's life as a process of a host (`--sandbox none`), until the command's world is ready.
//!
//! ```text
//!  Hello - Orders - own namespaces - private mounts - root folder or disk - furnish it - pivot - serve
//! ```
//!
//! Root gets mount, UTS, IPC and network namespaces and mounts a disk or a folder; another user
//! gets a user namespace around them, in which it is root and the only user. Everything that is
//! made lives in these namespaces, so nothing is left when init ends, however it ends.

mod arguments;
mod namespaces;
mod prepare;
mod root;

pub(crate) use arguments::HostArguments;
pub(crate) use prepare::prepare;
