//! `runner compare`.

use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

use bencher_runner::result::MetricName;
use bencher_runner::units::parse_percentage;
use clap::{Args, ValueEnum};

use super::Benchmark;

/// Says whether B is slower or faster than A, by how much, and how sure that is.
///
/// A and B are images, or results of `runner run`. Images are run in turns, each time in a fresh
/// machine. To compare two commands of one image, give it with --image, and the commands behind `--`,
/// with --vs between them.
#[derive(Debug, Args)]
#[command(
    override_usage = "runner compare [OPTIONS] A B [-- CMD...]\n       \
                      runner compare [OPTIONS] --image IMAGE -- CMD... --vs CMD...",
    after_help = "Exit codes: 0 compared; 1 B is slower than --fail-if-slower allows; 125 there is no \
comparison, or one of less than was asked for, because the runner or a command failed, or the metric that \
decides has no answer; 130 or 143 interrupted, and what was measured until then is compared.\n\n\
Sizes are in MiB unless they have a unit (64k, 2GiB), durations in seconds (90, 1.5, 500ms, 5m)."
)]
pub(crate) struct Compare {
    /// What is compared with: an image, a result file, or an output folder
    #[arg(
        value_name = "A",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    pub(crate) baseline: Option<OsString>,
    /// What is compared: the same
    #[arg(
        value_name = "B",
        required_unless_present = "image",
        conflicts_with = "image"
    )]
    pub(crate) candidate: Option<OsString>,
    /// One image for both sides, which differ in their commands
    #[arg(long, value_name = "IMAGE", requires = "trailing")]
    pub(crate) image: Option<OsString>,
    /// Replace the images' commands; --vs between two commands gives each side its own
    #[arg(last = true, value_name = "CMD", conflicts_with = "cmd")]
    pub(crate) trailing: Vec<String>,

    #[command(flatten)]
    pub(crate) benchmark: Benchmark,

    /// How often to run each side, each time in a fresh machine
    #[arg(
        long,
        value_name = "N",
        default_value = "10",
        help_heading = "Iterations"
    )]
    pub(crate) iter: NonZeroU32,
    /// What the order of the sides follows from [default: taken from the time]
    #[arg(long, value_name = "N", help_heading = "Iterations")]
    pub(crate) seed: Option<u64>,

    #[arg(
        long,
        value_name = "NAME",
        help_heading = "Comparison",
        help = "A metric to compare: wall, cpu, user, system, memory, rss, instructions, cycles, … or \
                BENCHMARK/MEASURE of a harness. May be given several times; the first one is what --until-ci \
                looks at [default: wall, cpu, rss and all of a harness]"
    )]
    pub(crate) metric: Vec<MetricName>,
    #[command(flatten)]
    pub(crate) judgement: Judgement,
    /// Compare results of different machines or clocks all the same, and mark the comparison
    #[arg(long, help_heading = "Comparison")]
    pub(crate) force: bool,

    #[command(flatten)]
    pub(crate) places: ComparisonOutput,
    /// Put the outputs and results of what is run into the folders `a` and `b` of this folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub(crate) output_dir: Option<PathBuf>,
}

/// What is asked of a comparison, whatever its sides are.
#[derive(Debug, Args)]
pub(crate) struct Judgement {
    /// Exit with 1 if B is slower than A, and by more than this; of the metrics that are given with
    /// --metric, else of those of a harness, else of the wall time
    #[arg(long, value_name = "PERCENT", value_parser = parse_percentage, help_heading = "Comparison")]
    pub(crate) fail_if_slower: Option<f64>,
    /// The smallest change of interest [default: 1%; 0.05% with --clock virtual]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percentage, help_heading = "Comparison")]
    pub(crate) interest: Option<f64>,
    /// What is drawn to learn how sure the answers are
    #[arg(long, value_enum, default_value_t, help_heading = "Comparison")]
    pub(crate) levels: Levels,
}

/// What becomes of a comparison.
#[derive(Debug, Args)]
pub(crate) struct ComparisonOutput {
    /// What standard output is
    #[arg(long, value_enum, default_value_t, help_heading = "Output")]
    pub(crate) format: ComparisonFormat,
    /// Write the comparison document to a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) result: Option<PathBuf>,
    /// Write a report as one HTML file, with pictures and all that was measured
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) report: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Levels {
    /// Iterations, each with all samples that a harness took inside it
    #[default]
    Iterations,
    /// Iterations, and samples inside of them: the hierarchical bootstrap, which is wider
    Both,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ComparisonFormat {
    /// A table for people
    #[default]
    Human,
    /// The comparison document
    Json,
    /// A line for each metric
    Csv,
    /// A table for reviews
    Markdown,
    /// A test case for each metric, in the XML that CI systems read
    Junit,
    /// Annotations for GitHub Actions, and the summary of its job
    Github,
}
