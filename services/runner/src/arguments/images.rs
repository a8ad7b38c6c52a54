//! What `runner pull`, `runner inspect` and `runner save` are told.

use std::ffi::OsString;
use std::path::PathBuf;

use bencher_oci::Platform;
use clap::Args;

use super::PullOptions;

/// Asks a registry for an image, fetches what the store does not have, and prints the digest of what the
/// name stands for. A pull that was ended goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct Pull {
    #[arg(
        value_name = "IMAGE",
        help = "The image: [HOST[:PORT]/]NAME[:TAG][@DIGEST], on Docker Hub unless a host is named"
    )]
    pub(crate) image: OsString,
    #[command(flatten)]
    pub(crate) registry: PullOptions,
}

/// Says what an image is: digests, platform, configuration, layers. No layer is read.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The image, as for `runner run --image`
    #[arg(value_name = "IMAGE")]
    pub(crate) image: OsString,
    /// The platform of a multi-platform image [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
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
    /// The platform of a multi-platform image [default: this host's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    pub(crate) platform: Option<Platform>,
}
