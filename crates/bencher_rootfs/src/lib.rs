//! Image layers to an ext4 root filesystem image, its cache and its per-run copy.
//!
//! This crate knows layers (tar streams in order) and disks, but no registries, no image
//! formats and no machines.
//!
//! ```text
//!  LayerSource ×n                                                    ImageCache
//!       │                                                                ▲
//!       ▼                 ┌─ contents ────────────────► image file ──────┤
//!  tar::Reader ─► layer ──┤                                 ▲            │
//!   (hostile bytes)       └─ log ─► merge ─► tree::Tree ─► ext4::write   ▼
//!                                                │                    copy
//!                                                └─► extract (no disk at all)
//! ```
//!
//! | step | module | what it decides |
//! |---|---|---|
//! | read | [`tar`] | what an archive says, in every dialect |
//! | | [`limits`] | how much it may say |
//! | merge | [`merge`] | what layers on top of each other amount to |
//! | hold | [`tree`] | the merged filesystem, compactly, without its contents |
//! | place | [`mod@build`] | where contents go, while all layers are read at once |
//! | write | [`ext4`] | every byte of the image that is not contents |
//! | keep | [`cache`] | built once, used by many |
//! | use | [`mod@copy`], [`mod@extract`] | a disk, or a directory, for one run |
//!
//! A build never unpacks anything on the host and needs no privileges. Its memory is bounded
//! whatever the image, and its result is the same whatever the timing.

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
