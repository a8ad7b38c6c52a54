//! What `runner comparisons` is told.

use std::num::NonZeroU32;

use bencher_runner::harness::AdapterChoice;
use bencher_runner::result::MetricName;
use clap::{Args, Subcommand};

use super::{ComparisonOutput, JobOptions, Judgement, Ls, PullOptions, ServerOptions};

/// Compares images, or commands, on a runner of a server.
#[derive(Debug, Args)]
pub(crate) struct Comparisons {
    #[command(subcommand)]
    pub(crate) command: ComparisonsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ComparisonsCommand {
    /// Ask a server to compare two images, or two commands
    Submit(Box<ComparisonsSubmit>),
    /// List comparisons, the newest first
    Ls(ComparisonsLs),
    /// Print what is known of a comparison, and where its jobs stand
    Show(ComparisonsShow),
    /// Wait for a comparison's end, and print what came of it
    Report(Box<ComparisonsReport>),
    /// Stop a comparison
    Cancel(ComparisonsOne),
    /// Delete comparisons all of whose jobs have ended, with their results
    Rm(ComparisonsRm),
}

/// Asks a server to compare B with A on one of its runners, and prints the comparison's identifier.
///
/// Both are images in a registry. They run on one machine, in turns, each time as a job of its own. To
/// compare two commands of one image, give it with --image, and the commands behind `--`, with --vs between
/// them.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner comparisons submit [OPTIONS] --spec NAME A B [-- CMD...]\n       \
                      runner comparisons submit [OPTIONS] --spec NAME --image IMAGE -- CMD... --vs CMD...",
    after_help = "With --wait the exit codes are those of `runner compare`: 0 compared; 1 B is slower than \
--fail-if-slower allows; 125 there is no comparison, or one of less than was asked for; 130 it was canceled. \
Ctrl-C ends only the wait.\n\n\
Durations are in seconds unless they have a unit (90, 5m)."
)]
pub(crate) struct ComparisonsSubmit {
    /// What is compared with: an image, as for `runner submit`
    #[arg(
        value_name = "A",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    pub(crate) baseline: Option<String>,
    /// What is compared: the same
    #[arg(
        value_name = "B",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    pub(crate) candidate: Option<String>,
    /// One image for both sides, which differ in their commands
    #[arg(long, value_name = "IMAGE", requires = "trailing")]
    pub(crate) image: Option<String>,
    /// Replace the images' commands; --vs between two commands gives each side its own
    #[arg(last = true, value_name = "CMD")]
    pub(crate) trailing: Vec<String>,
    /// How often to run each side, each time as a job of its own
    #[arg(long, value_name = "N", default_value = "10")]
    pub(crate) iter: NonZeroU32,
    /// Wait for the comparison's end, show where it stands, and print what came of it
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) job: JobOptions,
    #[command(flatten)]
    pub(crate) question: Question,
    #[command(flatten)]
    pub(crate) places: ComparisonOutput,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
    #[command(flatten)]
    pub(crate) registry: PullOptions,
}

/// What is asked of the results of a comparison.
#[derive(Debug, Args)]
pub(crate) struct Question {
    #[arg(
        long,
        value_name = "NAME[=FILE]",
        help_heading = "Comparison",
        help = "What reads metrics out of each iteration's standard output, or out of a collected file, as \
                with `runner compare` [default: what is found on standard output in any format, and in \
                collected files in Bencher Metric Format]"
    )]
    pub(crate) adapter: Option<AdapterChoice>,
    /// A metric to compare: BENCHMARK/MEASURE of a harness. May be given several times [default: all]
    #[arg(long, value_name = "NAME", help_heading = "Comparison")]
    pub(crate) metric: Vec<MetricName>,
    #[command(flatten)]
    pub(crate) judgement: Judgement,
}

#[derive(Debug, Args)]
pub(crate) struct ComparisonsLs {
    /// Only those of this project
    #[arg(long, value_name = "NAME")]
    pub(crate) project: Option<String>,
    #[command(flatten)]
    pub(crate) list: Ls,
}

#[derive(Debug, Args)]
pub(crate) struct ComparisonsShow {
    /// The comparison's identifier
    #[arg(value_name = "COMPARISON")]
    pub(crate) comparison: String,
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

/// Waits for a comparison's end, prints what came of it, and ends as `runner compare` would have.
#[derive(Debug, Args)]
pub(crate) struct ComparisonsReport {
    /// The comparison's identifier
    #[arg(value_name = "COMPARISON")]
    pub(crate) comparison: String,
    #[command(flatten)]
    pub(crate) question: Question,
    #[command(flatten)]
    pub(crate) places: ComparisonOutput,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ComparisonsOne {
    /// The comparison's identifier
    #[arg(value_name = "COMPARISON")]
    pub(crate) comparison: String,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}

#[derive(Debug, Args)]
pub(crate) struct ComparisonsRm {
    /// The comparisons' identifiers
    #[arg(value_name = "COMPARISON", required = true)]
    pub(crate) comparisons: Vec<String>,
    #[command(flatten)]
    pub(crate) server: ServerOptions,
}
