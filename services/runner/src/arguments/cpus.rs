//! The host's CPUs.

use bencher_runner::cpus::{CpuChoice, CpuSet};
use clap::Args;

/// Who has which CPUs.
#[derive(Debug, Args)]
pub(crate) struct Cpus {
    /// The benchmark's CPUs, such as 2-3,8 [default: those that disturb it least]
    #[arg(long, value_name = "LIST", help_heading = "CPUs")]
    cpus: Option<CpuSet>,
    /// Neither take the benchmark's CPUs away from the rest of this host, nor let it come first there
    #[arg(long, help_heading = "CPUs")]
    no_cpuset_partition: bool,
}

impl Cpus {
    /// What is wanted.
    pub(crate) fn choice(&self) -> CpuChoice {
        CpuChoice {
            cpus: self.cpus.clone(),
            partition: !self.no_cpuset_partition,
        }
    }
}
