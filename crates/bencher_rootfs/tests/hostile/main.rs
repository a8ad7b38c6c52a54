//! Layers by somebody who means harm, one test a case, and unusual ones by those who do not: what
//! becomes of them is in the tables of `docs/security.md`.
//!
//! Every case goes all the ways that layers can go: into a tree, into an image that `e2fsck` looks
//! at, and into files in a folder whose neighbours must stay as they are.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bombs;
mod devices;
mod links;
mod names;
mod pax;
mod sizes;
mod stream;
mod survive;
mod unusual;
mod whiteouts;

use bencher_rootfs::{BoxedError, LayerSource};

#[path = "../support/archive.rs"]
#[expect(dead_code, reason = "the unit tests use the rest of it")]
mod archive;
#[path = "../support/layers.rs"]
#[expect(dead_code, reason = "the unit tests use the rest of it")]
mod layers;
#[path = "../images/snapshot.rs"]
mod snapshot;
