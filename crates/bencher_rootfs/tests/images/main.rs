//! Whole images against what other programs make of the same layers: GNU tar, bsdtar, umoci, the
//! kernel and e2fsck.
//!
//! Tests that need root, or a program that is not installed, say so and do nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod dialects;
mod extraction;
mod full_disk;
mod host;
mod oci;
mod snapshot;
mod stack;

use bencher_rootfs::{BoxedError, LayerSource};

#[path = "../support/archive.rs"]
#[expect(dead_code, reason = "the unit tests use the rest of it")]
mod archive;
#[path = "../support/layers.rs"]
#[expect(dead_code, reason = "the unit tests use the rest of it")]
mod layers;
