//! What `runner inspect` and `runner save` are told.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// Says what an image is: digests, platform, configuration, layers. No layer is read.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The image, as for `runner run --image`
    #[arg(value_name = "IMAGE")]
    pub(crate) image: OsString,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// Writes an image to a file: a tar of an OCI layout, the same bytes each time, with every digest
/// verified.
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The image, as for `runner run --image`
    #[arg(value_name = "IMAGE")]
    pub(crate) image: OsString,
    /// The file to write; it must not exist
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
}
