//! `runner reproduce`.

use std::num::NonZeroU32;
use std::path::PathBuf;

use bencher_runner::harness::AdapterChoice;
use bencher_runner::result::MetricName;
use clap::Args;

use super::ComparisonOutput;

/// Runs what a result says once more: the same image, command, kernel, machine and settings, and compares.
/// Differences between the machines come first.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner reproduce [OPTIONS] FILE [-- RUN-OPTIONS...]",
    after_help = "Exit codes: 0 no metric differs, or it is too noisy to say; 1 one does; 125 there is no \
comparison, or one of less than was asked for, because the runner or the command failed; 130 or 143 \
interrupted, and what was measured until then is compared."
)]
pub(crate) struct Reproduce {
    /// A result of `runner run`, or an output folder
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// More options of `runner run`, such as --env NAME=VALUE: values of variables are not in a result
    #[arg(last = true, value_name = "RUN-OPTIONS")]
    pub(crate) more: Vec<String>,
    /// Where the image is now [default: where it was; a name in a registry with the digest that it had]
    #[arg(long, value_name = "IMAGE")]
    pub(crate) image: Option<String>,
    /// How often to run it [default: as often as it was]
    #[arg(long, value_name = "N")]
    pub(crate) iter: Option<NonZeroU32>,
    /// A metric to compare, as for `runner compare`
    #[arg(long, value_name = "NAME")]
    pub(crate) metric: Vec<MetricName>,
    #[arg(
        long,
        value_name = "NAME[=FILE]",
        help = "Read metrics of a benchmark harness out of what the result holds, and out of what is run \
                [default: as it was read then]"
    )]
    pub(crate) adapter: Option<AdapterChoice>,
    /// Compare though the image, the guest's kernel, the machine or the clock is another one, and mark
    /// the comparison
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) places: ComparisonOutput,
}
