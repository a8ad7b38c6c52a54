//! `runner run`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use bencher_runner::result::{Metric, MetricName};
use clap::{Args, ValueEnum};

use super::Benchmark;

/// Exit codes: the command's own; 128+n when signal n ended it; 124 timeout; 125 the runner
/// failed; 126 the command can not be executed; 127 it is not in the image; 130 or 143 the run
/// was interrupted.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: the command's own; 128+n when signal n ended it; 124 timeout; \
125 the runner failed, or --adapter found no metrics; 126 the command can not be executed; 127 it is not in \
the image; 130 or 143 the run was interrupted. With --allow-failure 0 once every iteration was carried out.\n\n\
Sizes are in MiB unless they have a unit (64k, 2GiB), durations in seconds (90, 1.5, 500ms, 5m)."
)]
pub(crate) struct Run {
    #[arg(
        long,
        value_name = "IMAGE",
        help = "The image: an OCI layout folder (oci:DIR[:TAG] or a path), an OCI layout tar, a \
                `docker save` tar, a name in a registry such as debian:12 or ghcr.io/o/r:1, or a \
                digest of the store"
    )]
    pub(crate) image: OsString,

    /// Replace the image's command, as the arguments after `docker run IMAGE` do
    #[arg(last = true, value_name = "CMD", conflicts_with = "cmd")]
    pub(crate) trailing: Vec<String>,

    #[command(flatten)]
    pub(crate) benchmark: Benchmark,

    /// How often to run the command, each time in a fresh machine
    #[arg(
        long,
        value_name = "N",
        default_value = "1",
        help_heading = "Iterations"
    )]
    pub(crate) iter: NonZeroU32,
    /// The metric that --until-ci looks at, such as wall, or BENCHMARK/MEASURE of a harness
    #[arg(
        long,
        value_name = "NAME",
        default_value_t = Metric::Wall.into(),
        requires = "until_ci",
        help_heading = "Iterations"
    )]
    pub(crate) metric: MetricName,

    /// Put outputs, collected files and the result into a new or empty folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) output_dir: Option<PathBuf>,
    /// What standard output is: the command's own (human), or the result document (json)
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) format: Format,
    /// What to call this run in its result, such as the commit that is in the image
    #[arg(long, value_name = "TEXT", help_heading = "Output")]
    pub(crate) label: Option<String>,
    /// Write the result document to a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) result: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// The command's own output
    #[default]
    Human,
    /// The result document
    Json,
}
