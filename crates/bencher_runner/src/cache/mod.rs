//! The cache as a whole: what is in it, what it takes, and removing what is needed least.
//!
//! ```text
//! store (images, blobs, partial downloads) ─┐
//! root filesystem images ───────────────────┼─► items ─► plan: what goes next ─► remove, or in use
//! kernels ──────────────────────────────────┘
//! ```
//!
//! Whatever is removed is removed under its own lock, which whoever uses it holds: what is seen
//! as unused and is used by the time it would go, stays. The rest of the cache (initramfs archives,
//! Firecracker, libraries of VMMs) is small, and counted but never removed.

mod error;
mod item;
mod plan;
mod prune;
mod remove;
mod usage;
mod verify;

use std::path::{Path, PathBuf};

use bencher_oci::Store;
use bencher_rootfs::ImageCache;

pub use error::CacheError;
pub use item::{CacheItem, CacheListing, ItemKind};
pub use prune::PruneReport;
pub(crate) use usage::available;
pub use usage::{DiskUsage, KindUsage};
pub use verify::{DamageReport, VerifyReport};

use crate::images::store_folder;
use crate::kernel::KernelStore;

/// The cache's parts, as far as they are there.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    store: Option<Store>,
    rootfs: Option<ImageCache>,
    kernels: KernelStore,
}

impl Cache {
    /// Opens the cache in `folder`. Nothing is made there; root filesystem images that a killed
    /// runner left unfinished are removed.
    ///
    /// # Errors
    ///
    /// When a part of it can not be used.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let rootfs = folder.join("rootfs");
        Ok(Self {
            folder: folder.to_owned(),
            store: Store::open_existing(&store_folder(folder))?,
            rootfs: rootfs
                .is_dir()
                .then(|| ImageCache::open(&rootfs))
                .transpose()?,
            kernels: KernelStore::new(folder),
        })
    }
}
