//! What the kernel was told at boot: what keeps CPUs free, and what makes all of them slow.
//!
//! The kernel's `Documentation/admin-guide/kernel-parameters.txt`.

use crate::cpus::{CpuSet, Demand, decide};
use crate::doctor::finding::{Check, Outcome};
use crate::doctor::host::Host;

pub(super) const CHECK: Check = Check {
    name: "boot-arguments",
    why: "a CPU that was not freed at boot is interrupted by the kernel's own timer 100 to 1000 times \
          a second while a benchmark runs on it",
    examine,
};

/// Arguments that slow a kernel or its timers down; `name=` stands for any value.
const SLOW: [&str; 12] = [
    "clocksource=acpi_pm",
    "clocksource=hpet",
    "debug_pagealloc=on",
    "highres=off",
    "initcall_debug",
    "kmemleak=on",
    "noapictimer",
    "nohz=off",
    "nolapic",
    "notsc",
    "page_owner=on",
    "slub_debug",
];

/// CPUs that a host needs before one can be kept free of the tick: the others serve all timers.
const ENOUGH: usize = 3;

fn examine(host: &Host) -> Outcome {
    let line = host.files.value("/proc/cmdline").unwrap_or_default();
    let slow: Vec<_> = line.split_whitespace().filter(is_slow).collect();
    if !slow.is_empty() {
        return Outcome::warn(
            format!("slow for all: {}", slow.join(" ")),
            format!("take {} out of the kernel's boot arguments", slow.join(" ")),
        );
    }
    let topology = match host.topology() {
        Ok(topology) => topology,
        Err(reason) => return Outcome::limited(reason),
    };
    // `isolcpus` keeps other tasks away, and not the tick.
    let without_tick = host
        .files
        .parsed::<CpuSet>("/sys/devices/system/cpu/nohz_full");
    if let Some(cpus) = without_tick.filter(|cpus| !cpus.is_empty()) {
        return Outcome::pass(format!("CPUs {cpus} have no tick while one task runs"));
    }
    let online = topology.online().len();
    let layout = decide(&topology, Demand::AsMany, None).ok();
    let Some(layout) = layout.filter(|_| online >= ENOUGH) else {
        return Outcome::pass(format!(
            "no CPU is free of the tick, with {online} there are too few"
        ));
    };
    let cpus = layout.benchmark.or(&layout.idle);
    Outcome::warn(
        "no CPU is free of the tick",
        format!("add nohz_full={cpus} rcu_nocbs={cpus} to the kernel's boot arguments"),
    )
}

fn is_slow(argument: &&str) -> bool {
    let name = argument.split_once('=').map_or(*argument, |(name, _)| name);
    SLOW.contains(argument) || SLOW.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::host::fake::FakeHost;

    #[test]
    fn free_cpus_are_recommended_where_there_are_enough() {
        let few = FakeHost::new("0-1", &[("proc/cmdline", "root=/dev/vda quiet\n")]);
        assert_eq!(
            examine(&few.host),
            Outcome::pass("no CPU is free of the tick, with 2 there are too few")
        );
        let many = FakeHost::new("0-3", &[]);
        assert_eq!(
            examine(&many.host),
            Outcome::warn(
                "no CPU is free of the tick",
                "add nohz_full=1-3 rcu_nocbs=1-3 to the kernel's boot arguments"
            )
        );
        many.put("sys/devices/system/cpu/nohz_full", "2-3\n");
        assert_eq!(
            examine(&many.host),
            Outcome::pass("CPUs 2-3 have no tick while one task runs")
        );
        // What is isolated has a tick all the same.
        many.put("sys/devices/system/cpu/nohz_full", "(null)\n");
        many.put("sys/devices/system/cpu/isolated", "2-3\n");
        assert!(examine(&many.host).fix.is_some());
    }

    #[test]
    fn what_slows_the_kernel_down_comes_first() {
        let line = "quiet slub_debug=FZ nohz=off nohz_full=1 clocksource=tsc\n";
        let host = FakeHost::new("0-3", &[("proc/cmdline", line)]);
        let outcome = examine(&host.host);
        assert_eq!(outcome.found, "slow for all: slub_debug=FZ nohz=off");
    }
}
