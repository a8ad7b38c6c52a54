//! Commands that read results: `runner history`, `runner export`.

use std::path::PathBuf;

use bencher_runner::harness::AdapterChoice;
use bencher_runner::result::{Metric, MetricName};
use bencher_runner::units::parse_percentage;
use clap::{Args, ValueEnum};

/// Finds the results from which on a benchmark is slower or faster than before.
#[derive(Debug, Args)]
pub(crate) struct History {
    /// Results of `runner run`, or output folders, in any order
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The metric, such as wall, or BENCHMARK/MEASURE of a harness
    #[arg(long, value_name = "NAME", default_value_t = Metric::Wall.into())]
    pub(crate) metric: MetricName,
    #[arg(
        long,
        value_name = "NAME[=FILE]",
        help = "Read metrics of a benchmark harness out of what the results hold, as `runner run --adapter` does \
                while they run"
    )]
    pub(crate) adapter: Option<AdapterChoice>,
    /// The largest p-value of a change
    #[arg(long, value_name = "P", default_value = "0.001", value_parser = parse_probability)]
    pub(crate) p_value: f64,
    /// The smallest change to tell [default: any]
    #[arg(long, value_name = "PERCENT", value_parser = parse_percentage)]
    pub(crate) least: Option<f64>,
    /// Take results of different machines or clocks as one series
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

fn parse_probability(text: &str) -> Result<f64, String> {
    text.parse::<f64>()
        .ok()
        .filter(|&share| share > 0.0 && share < 1.0)
        .ok_or_else(|| format!("{text} is no probability above 0 and below 1, such as 0.001"))
}

/// Writes results in a format of other tools to standard output.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Results of `runner run`, or output folders
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// The format
    #[arg(long, value_enum)]
    pub(crate) to: ExportFormat,
    /// What to call the benchmark of one file [default: its label, else its command]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    #[arg(
        long,
        value_name = "NAME[=FILE]",
        help = "Read metrics of a benchmark harness out of what the results hold, as `runner run --adapter` does \
                while they run"
    )]
    pub(crate) adapter: Option<AdapterChoice>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// Bencher Metric Format
    Bencher,
}
