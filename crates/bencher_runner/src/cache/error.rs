//! What can be wrong with the cache.

use std::io;
use std::path::PathBuf;

use bencher_oci::StoreError;
use thiserror::Error;

use crate::kernel::KernelError;
use crate::run::text;

/// Why the cache can not be looked at or changed.
#[derive(Debug, Error)]
pub enum CacheError {
    /// The store of images.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The root filesystem images.
    #[error("{}", text::chain(.0))]
    Rootfs(#[from] bencher_rootfs::CacheError),
    /// The kernels.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// A file or folder can not be looked at.
    #[error("failed to look at {}: {source}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no such thing.
    #[error("the cache has no `{text}`: give a name or an id out of `runner cache ls`")]
    Unknown {
        /// What was asked for.
        text: String,
    },
    /// There is more than one.
    #[error("`{text}` is the beginning of several ids, give more of it: {ids}")]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// What it could be.
        ids: String,
    },
    /// A runner uses it.
    #[error("`{text}` is in use: try again when the runner that uses it has ended")]
    InUse {
        /// What was asked for.
        text: String,
    },
    /// It was told to end.
    #[error("cancelled")]
    Cancelled,
}
