//! Measures that the host takes of a command from outside, each with its unit and its source.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PerfEvent;

/// A number, what it counts, and who counted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Measure {
    /// How many.
    pub value: u64,
    /// Of what.
    pub unit: Unit,
    /// Who counted them.
    pub source: MeasureSource,
}

/// What a measure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Instructions that were completed.
    Instructions,
    /// Clock cycles of the processor while it executed something, at whatever frequency.
    Cycles,
    /// Branch instructions.
    Branches,
    /// Accesses to a cache, most often the last-level one.
    Accesses,
    /// Billionths of a second.
    Nanoseconds,
    /// Times that the CPU took up another task.
    Switches,
    /// Moves to another CPU.
    Migrations,
    /// Bytes.
    Bytes,
    /// Page faults.
    Faults,
    /// Times that a vCPU stopped executing its guest and KVM had something to do.
    Exits,
}

/// Who counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeasureSource {
    /// The performance monitoring unit of the host's processor, by `perf_event_open(2)`.
    HostPmu,
    /// The host's kernel, by `perf_event_open(2)`.
    HostKernel,
    /// KVM's statistics of the virtual machine, in debugfs.
    KvmStatistics,
}

/// Counters of the host's processor and kernel, from the orders to the report of the command's end.
/// One that could not be had is absent.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct PerfCounters {
    /// Instructions.
    pub instructions: Option<PerfCounter>,
    /// Clock cycles.
    pub cycles: Option<PerfCounter>,
    /// Branch instructions.
    pub branches: Option<PerfCounter>,
    /// Those of them that were predicted wrongly.
    pub branch_misses: Option<PerfCounter>,
    /// Accesses to the cache that the processor calls its last one.
    pub cache_references: Option<PerfCounter>,
    /// Those of them that it could not answer.
    pub cache_misses: Option<PerfCounter>,
    /// Time on a CPU of the host, in nanoseconds.
    pub task_clock_ns: Option<PerfCounter>,
    /// Switches to another task of the host.
    pub context_switches: Option<PerfCounter>,
    /// Moves to another CPU of the host.
    pub cpu_migrations: Option<PerfCounter>,
    /// What could not be had, in words.
    pub compromises: Vec<String>,
}

impl PerfCounters {
    /// Those that could be had, with their names.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, &PerfCounter)> {
        let all = PerfEvent::ALL.into_iter();
        all.filter_map(|event| Some((event.name(), event.of(self)?)))
    }
}

/// What a counter counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PerfCounter {
    /// The number. Where the share is below 1 it is an estimate: what was counted, divided by the
    /// share.
    #[serde(flatten)]
    pub measure: Measure,
    /// What was counted.
    pub of: CountedCode,
    /// For how much of the time for which it should have counted it did, up to 1: there are more
    /// events than counters in a processor, so they may have to take turns.
    pub measured_share: f64,
}

/// Whose execution a counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CountedCode {
    /// All that the vCPUs executed in the guest, and nothing of the host's.
    Guest,
    /// The same without the guest's kernel.
    GuestUser,
    /// The vCPUs' threads, as tasks of the host.
    VcpuThreads,
    /// The command and all that it started.
    Command,
    /// The same without what the kernel did for it.
    CommandUser,
}
