//! The guest's kernel: where it comes from and how it is kept.
//!
//! ```text
//! --kernel FILE [--kernel-modules DIR] --------------------+
//! --kernel URL#sha256:HEX --> download, verified --+       |
//! cache (kernels/<id>/) <--------------------------+-------+--> Kernel
//!   ^--- Debian's linux-image-cloud-*, by apt-get download, else a pinned download
//! ```
//!
//! A kernel in the cache is a folder that was written elsewhere and renamed, so it is whole or not
//! there:
//!
//! ```text
//! kernels/6.1.0-56-cloud-amd64-1f0c…/
//!   bzImage      the kernel as it was distributed
//!   vmlinux      its payload, the ELF image (boots without a decompression in the guest)
//!   modules/     the modules a guest may need, decompressed
//!   kernel.json  release, origin, digest, module load order
//!   .lock        locked, shared, by every runner that uses the kernel; its time: the last use
//! ```

mod bzimage;
mod debian;
mod error;
mod folder;
mod kept;
mod lease;
mod modules;
mod pinned;
mod provider;
mod store;

pub use error::KernelError;
pub use kept::KeptKernel;
pub use lease::KernelLease;
pub use modules::Module;
pub use provider::{KernelSource, find};
pub use store::KernelStore;

use std::path::PathBuf;
use std::sync::Arc;

pub(crate) use modules::closure;

/// A kernel that is ready to be booted.
#[derive(Debug, Clone)]
pub struct Kernel {
    /// The image that a VMM loads: an ELF image where the kernel has one, else a bzImage.
    pub image: PathBuf,
    /// The ELF image, where there is one.
    pub elf: Option<PathBuf>,
    /// The release, as `uname -r` prints it in the guest, where it could be read from the image.
    pub release: Option<String>,
    /// SHA-256 of the kernel as it was distributed, in hexadecimal.
    pub sha256: String,
    /// Where it came from, for the result document.
    pub origin: String,
    /// The modules that any guest may need, in an order in which they can be loaded. Empty when
    /// the kernel has everything built in.
    pub modules: Vec<Module>,
    /// Keeps the kernel in the cache for as long as anybody has it, where the cache can be
    /// written.
    pub lease: Option<Arc<KernelLease>>,
}
