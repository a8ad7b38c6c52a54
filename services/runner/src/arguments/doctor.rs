//! What `runner doctor` is told.

use bencher_runner::cpus::CpuSet;
use bencher_runner::doctor::NoiseDuration;
use clap::Args;

/// Checks this host, and says what is wrong, why it matters and what mends it. Changes nothing. The
/// exit code is 1 when a check fails.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Print one JSON document instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    /// Measure this host's own noise for so long, as in 30s: a second at least, an hour at most
    #[arg(long, value_name = "TIME")]
    pub(crate) noise: Option<NoiseDuration>,
    /// The CPUs whose noise is measured [default: that of a benchmark with one vCPU]
    #[arg(long, value_name = "LIST", requires = "noise")]
    pub(crate) cpus: Option<CpuSet>,
}
