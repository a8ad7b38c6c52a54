//! Images are judged by others: `e2fsck` checks every one, and the kernel mounts them and shows
//! what it reads.
//!
//! The kernel is asked only where there are loop devices and root; elsewhere it is said why not.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests panic like the tests themselves"
)]

mod compare;
mod directories;
mod files;
mod image;
mod limits;
mod metadata;
mod model;
mod oracle;
mod random;
mod sizes;
mod structure;
