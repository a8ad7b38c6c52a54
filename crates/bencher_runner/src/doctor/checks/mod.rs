//! The checks, one file each, in the order in which they are shown.

mod boot_arguments;
mod cgroup;
mod clock_source;
mod cpus;
mod huge_pages;
mod irqbalance;
mod knobs;
mod kvm;
mod left_over;
mod load;
mod microcode;
mod mitigations;
mod reflink;
mod rights;
mod swap;
mod throttling;
mod virtualization;

use super::finding::Check;

/// All checks.
pub(super) fn all() -> Vec<Check> {
    vec![
        virtualization::CHECK,
        kvm::CHECK,
        rights::CHECK,
        cgroup::CHECK,
        cpus::CHECK,
        boot_arguments::CHECK,
        knobs::SMT,
        knobs::TURBO,
        knobs::GOVERNOR,
        knobs::CSTATES,
        knobs::THP,
        knobs::KSM,
        knobs::NUMA_BALANCING,
        irqbalance::CHECK,
        left_over::CHECK,
        clock_source::CHECK,
        throttling::CHECK,
        microcode::CHECK,
        mitigations::CHECK,
        swap::CHECK,
        load::CHECK,
        reflink::CHECK,
        huge_pages::CHECK,
    ]
}
