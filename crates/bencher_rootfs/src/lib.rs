//! Image layers to an ext4 root filesystem image, its cache and its per-run copy.
//!
//! This crate knows layers (tar streams in order) and disks, but no registries, no image
//! formats and no machines.

pub mod build;
pub mod cache;
mod content;
pub mod copy;
mod error;
pub mod ext4;
pub mod extract;
pub mod identity;
mod layer;
pub mod limits;
pub mod merge;
mod path;
pub mod progress;
pub mod source;
mod space;
pub mod tar;
pub mod tree;

pub use build::{BuildOptions, BuildReport, build};
pub use cache::{CacheError, CachedImage, ImageCache};
pub use copy::{CopyError, CopyMethod, copy};
pub use error::RootfsError;
pub use extract::{ExtractError, ExtractReport, extract, remove_extracted};
pub use layer::LayerError;
pub use path::PathError;
pub use progress::{NoProgress, Progress, Step};
pub use source::{BoxedError, LayerSource};

// Shared with the integration tests.
#[cfg(test)]
#[path = "../tests/support/archive.rs"]
mod archive;
#[cfg(test)]
#[path = "../tests/support/layers.rs"]
mod layers;
