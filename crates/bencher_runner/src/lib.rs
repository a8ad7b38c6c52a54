//! Runs the command of an OCI image in a fresh microVM and returns exactly what it produced.
//!
//! ```text
//! image (bencher_oci) -> root filesystem (bencher_rootfs) -> machine -> guest (bencher_init) -> result
//! ```

pub mod cache;
mod cgroup;
mod counters;
mod cpio;
pub mod cpus;
mod destination;
mod disk_usage;
pub mod doctor;
mod download;
pub mod harness;
mod host_files;
pub mod images;
pub mod initramfs;
mod interruptible;
mod interrupts;
pub mod jail;
pub mod kernel;
pub mod machine;
pub mod network;
pub mod paths;
mod printable;
mod process;
pub mod reporter;
pub mod result;
pub mod run;
mod said;
mod scratch;
pub mod setup;
mod slots;
pub mod tuning;
pub mod units;
pub mod up;
pub mod validity;

pub use destination::Destination;
pub use download::{DownloadError, PinnedUrl};
pub use interruptible::{Unfinished, interruptible};
pub use interrupts::Interrupts;
pub use paths::Directories;
pub use printable::is_printable;
pub use reporter::Reporter;
