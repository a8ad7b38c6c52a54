//! Image layers to an ext4 root filesystem image, its cache and its per-run copy.
//!
//! This crate knows layers (tar streams in order) and disks, but no registries, no image
//! formats and no machines.

pub mod ext4;
mod layer;
pub mod limits;
pub mod merge;
mod path;
pub mod tar;
pub mod tree;

// Shared with the integration tests.
#[cfg(test)]
#[path = "../tests/support/archive.rs"]
mod archive;
