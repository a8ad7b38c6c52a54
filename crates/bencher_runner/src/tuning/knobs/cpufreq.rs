//! The host's frequency policies: groups of CPUs that have one frequency.
//!
//! The kernel's `Documentation/admin-guide/pm/cpufreq.rst`, "Policy Interface in sysfs".

use std::path::PathBuf;

use crate::cpus::CpuSet;
use crate::tuning::place::Place;

pub(super) const FOLDER: &str = "/sys/devices/system/cpu/cpufreq";

/// Why nothing can be done about frequencies on a host without them.
pub(super) const NONE: &str = "the kernel does not control the frequency: a virtual machine, or \
                               firmware that does";

/// The policies that have a CPU online: the others can be neither read nor written.
pub(super) fn policies(place: &Place) -> Vec<PathBuf> {
    let is_policy = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"policy"))
    };
    place
        .list(FOLDER)
        .into_iter()
        .filter(is_policy)
        .filter(|policy| cpus(place, policy).is_some_and(|cpus| !cpus.is_empty()))
        .collect()
}

/// The online CPUs of a policy, which the kernel separates by spaces.
pub(super) fn cpus(place: &Place, policy: &std::path::Path) -> Option<CpuSet> {
    place
        .value(policy.join("affected_cpus"))?
        .split_whitespace()
        .map(|cpu| cpu.parse().ok())
        .collect()
}
