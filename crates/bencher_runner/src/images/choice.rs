//! What the user wants of an image that may be somewhere else.

use std::ffi::OsString;

use bencher_oci::Platform;
use bencher_oci::registry::RegistryOptions;

/// When a registry is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Always: a name may stand for another image by now. Blobs that are in the store are not
    /// fetched again.
    Always,
    /// For what the store does not have.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// An image, and how it may be had.
#[derive(Debug, Clone)]
pub struct ImageChoice {
    /// The image as the user named it.
    pub name: OsString,
    /// What it must run on.
    pub platform: Platform,
    /// When a registry is asked.
    pub pull: PullPolicy,
    /// How.
    pub registry: RegistryOptions,
}

impl ImageChoice {
    /// An image for this host, that nobody but this host is asked for.
    pub fn local(name: OsString) -> Self {
        Self {
            name,
            platform: Platform::host(),
            pull: PullPolicy::Never,
            registry: RegistryOptions::default(),
        }
    }
}
