//! What `runner cache` is told.

use std::ffi::OsString;

use bencher_runner::units::ByteSize;
use clap::{Args, Subcommand};

/// Looks into the cache and removes things of it. What a runner uses stays.
#[derive(Debug, Args)]
pub(crate) struct Cache {
    #[command(subcommand)]
    pub(crate) command: CacheCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// List what there is, the least recently used first
    Ls {
        /// Print one JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Copy a local image into the store, where it can be used by its name
    Add {
        /// The image, as for `runner run --image`
        #[arg(value_name = "IMAGE")]
        image: OsString,
        /// The name to give it, as in example.com/team/benchmark:1; it is taken away from the image
        /// that had it
        #[arg(value_name = "NAME")]
        name: String,
    },
    /// Remove images by name or digest, and other things by id
    Rm {
        /// A name, or an id out of `runner cache ls`, or at least 8 characters that it begins with
        #[arg(value_name = "NAME|ID", required = true)]
        things: Vec<String>,
    },
    /// Remove what nobody needs: images without a name, blobs that no image has, partial downloads
    Prune {
        /// Remove also what was used the longest time ago, until the rest takes no more than this
        #[arg(long, value_name = "SIZE")]
        max_size: Option<ByteSize>,
        /// Print one JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Read everything again and say what is damaged; then the exit code is 1
    Verify {
        /// Remove what is damaged, so that it is got or made again
        #[arg(long)]
        repair: bool,
        /// Print one JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
    /// Say what the cache takes of the disk
    Df {
        /// Print one JSON document instead of a table
        #[arg(long)]
        json: bool,
    },
}
