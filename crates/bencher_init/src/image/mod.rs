//! The image's root file system, and what a container expects to find mounted in it.
//!
//! Everything here happens before that file system becomes the root, and an image is hostile: its
//! paths are only ever resolved by `openat2` from its own top, so that no symbolic link of it leads
//! to a file outside.

mod devices;
mod etc;
mod mounts;
mod root;

pub(crate) use etc::fill_etc;
pub(crate) use mounts::{furnish, mount_proc};
pub(crate) use root::{Resolve, RootFolder};

/// Where the image is run, which decides how far its world can be and must be a world of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Setting {
    /// In a virtual machine: the kernel is the guest's own.
    Vm,
    /// On a host, as its root.
    HostRoot,
    /// On a host, in a user namespace in which only root exists.
    HostUser,
}
