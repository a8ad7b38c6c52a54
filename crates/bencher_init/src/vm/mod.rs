//! Init's life as PID 1 of a virtual machine, until the command's world is ready.
//!
//! ```text
//!  initramfs: mount /proc /sys /dev - load modules - find the port - Hello - Orders
//!     root device - mount it - furnish it - cgroup - move it to / - serve - power off
//! ```
//!
//! # What it needs from the host
//!
//! - An initramfs with this program as `/init`, and, if the kernel needs modules, those
//!   (uncompressed) with their paths, one a line and in the order of loading, in `/modules.list`.
//! - `bencher.stream=virtio-serial:NAME` or `bencher.stream=vsock:PORT` on the kernel's command
//!   line: the virtio-serial port that is the stream, or the port of the host that it leads to.
//! - Where the guest's clock must not depend on the host: the host's hello and orders, as they would
//!   be on the stream, in `/host.stream` of the initramfs.
//! - A host that closes the stream when it has read the last message: the guest waits for that
//!   before it powers off, because what a port has taken is not yet what the host has got.

mod boot;
mod early;
mod events;
mod modules;
mod parameters;
mod port;
mod prefault;
mod root;
mod vsock;

pub(crate) use boot::prepare;
