//! What is compared of iterations: the runner's own measures, by name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Iteration, PerfEvent, Resources, Unit};

/// A measure that the runner takes of each iteration. Of every one less is better.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Metric {
    /// The guest's monotonic clock, from `execve` to the exit.
    Wall,
    /// CPU time of the command's process tree.
    Cpu,
    /// The same in user mode.
    User,
    /// The same in kernel mode.
    System,
    /// Most memory in use at one time, page cache included.
    Memory,
    /// Largest resident set of a single process.
    Rss,
    /// Instructions: those of a virtual clock, else what the processor counted.
    Instructions,
    /// Clock cycles, as the processor counted them.
    Cycles,
    /// Branch instructions, as the processor counted them.
    Branches,
    /// Branches that were predicted wrongly.
    BranchMisses,
    /// Accesses to the last-level cache.
    CacheReferences,
    /// Those of them that it could not answer.
    CacheMisses,
    /// Time on a CPU of the host, as its kernel counted it.
    TaskClock,
    /// Page faults that needed no I/O.
    MinorFaults,
    /// Page faults that needed I/O.
    MajorFaults,
    /// CPU time that the machine cost the host.
    HostCpu,
    /// Times that a vCPU left its guest.
    VmExits,
}

impl Metric {
    /// All of them, the most asked for first.
    pub const ALL: [Self; 17] = [
        Self::Wall,
        Self::Cpu,
        Self::User,
        Self::System,
        Self::Memory,
        Self::Rss,
        Self::Instructions,
        Self::Cycles,
        Self::Branches,
        Self::BranchMisses,
        Self::CacheReferences,
        Self::CacheMisses,
        Self::TaskClock,
        Self::MinorFaults,
        Self::MajorFaults,
        Self::HostCpu,
        Self::VmExits,
    ];

    /// Its name on the command line and in documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::User => "user",
            Self::System => "system",
            Self::Memory => "memory",
            Self::Rss => "rss",
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
            Self::Branches => "branches",
            Self::BranchMisses => "branch-misses",
            Self::CacheReferences => "cache-references",
            Self::CacheMisses => "cache-misses",
            Self::TaskClock => "task-clock",
            Self::MinorFaults => "minor-faults",
            Self::MajorFaults => "major-faults",
            Self::HostCpu => "host-cpu",
            Self::VmExits => "vm-exits",
        }
    }

    /// What counts it, where a performance counter does.
    fn event(self) -> Option<PerfEvent> {
        Some(match self {
            Self::Instructions => PerfEvent::Instructions,
            Self::Cycles => PerfEvent::Cycles,
            Self::Branches => PerfEvent::Branches,
            Self::BranchMisses => PerfEvent::BranchMisses,
            Self::CacheReferences => PerfEvent::CacheReferences,
            Self::CacheMisses => PerfEvent::CacheMisses,
            Self::TaskClock => PerfEvent::TaskClock,
            _ => return None,
        })
    }

    /// What its values count.
    pub fn unit(self) -> Unit {
        match self {
            Self::Memory | Self::Rss => Unit::Bytes,
            Self::MinorFaults | Self::MajorFaults => Unit::Faults,
            Self::VmExits => Unit::Exits,
            counted_or_time => counted_or_time
                .event()
                .map_or(Unit::Nanoseconds, PerfEvent::unit),
        }
    }

    /// Its value in `iteration`, in its unit; `None` where it was not measured.
    pub fn of(self, iteration: &Iteration) -> Option<f64> {
        let resources = iteration.resources.as_ref();
        let used = |value: fn(&Resources) -> Option<u64>| resources.and_then(value);
        let counted = || {
            let counter = self.event()?.of(iteration.perf_counters.as_ref()?)?;
            Some(counter.measure.value)
        };
        let value = match self {
            Self::Wall => used(|resources| Some(resources.wall_ns)),
            Self::Cpu => used(|resources| resources.cpu_us.map(nanoseconds)),
            Self::User => used(|resources| resources.user_us.map(nanoseconds)),
            Self::System => used(|resources| resources.system_us.map(nanoseconds)),
            Self::Memory => used(|resources| resources.memory_peak_bytes),
            Self::Rss => used(|resources| Some(resources.max_rss_bytes)),
            Self::MinorFaults => used(|resources| Some(resources.minor_faults)),
            Self::MajorFaults => used(|resources| Some(resources.major_faults)),
            Self::HostCpu => {
                let cost = iteration.host_cpu.as_ref();
                cost.map(|cost| nanoseconds(cost.cpu_us))
            }
            Self::VmExits => iteration.vm_exits.map(|exits| exits.value),
            Self::Instructions => iteration.instructions.or_else(counted),
            Self::Cycles
            | Self::Branches
            | Self::BranchMisses
            | Self::CacheReferences
            | Self::CacheMisses
            | Self::TaskClock => counted(),
        };
        #[expect(clippy::cast_precision_loss, reason = "exact up to 9e15")]
        value.map(|value| value as f64)
    }
}

fn nanoseconds(microseconds: u64) -> u64 {
    microseconds.saturating_mul(1000)
}

impl fmt::Display for Metric {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|metric| metric.name() == text)
            .ok_or_else(|| format!("{text} is no metric: it is one of {}", names()))
    }
}

fn names() -> String {
    Metric::ALL.map(Metric::name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{CountedCode, Measure, MeasureSource, PerfCounter, PerfCounters};

    #[test]
    fn names_are_those_of_documents() {
        for metric in Metric::ALL {
            let in_documents = serde_json::to_value(metric).unwrap();
            assert_eq!(in_documents, metric.name());
            assert_eq!(metric.name().parse(), Ok(metric));
        }
        let error = "speed".parse::<Metric>().unwrap_err();
        assert!(
            error.starts_with("speed is no metric: it is one of wall, cpu,"),
            "{error}"
        );
    }

    #[test]
    fn units_are_those_of_what_is_counted() {
        for (metric, unit) in [
            (Metric::Wall, Unit::Nanoseconds),
            (Metric::HostCpu, Unit::Nanoseconds),
            (Metric::TaskClock, Unit::Nanoseconds),
            (Metric::Rss, Unit::Bytes),
            (Metric::Cycles, Unit::Cycles),
            (Metric::BranchMisses, Unit::Branches),
            (Metric::CacheReferences, Unit::Accesses),
            (Metric::MajorFaults, Unit::Faults),
        ] {
            assert_eq!(metric.unit(), unit, "{metric}");
        }
    }

    #[test]
    fn values_are_in_their_unit_and_absent_where_nothing_was_measured() {
        let nothing = Iteration::default();
        for metric in Metric::ALL {
            assert_eq!(metric.of(&nothing), None, "{metric}");
        }
        let instructions = PerfCounter {
            measure: Measure {
                value: 7,
                unit: Unit::Instructions,
                source: MeasureSource::HostPmu,
            },
            of: CountedCode::Guest,
            measured_share: 1.0,
        };
        let mut iteration = Iteration {
            resources: Some(Resources {
                wall_ns: 1_500,
                user_us: Some(3),
                max_rss_bytes: 4096,
                ..Resources::default()
            }),
            perf_counters: Some(PerfCounters {
                instructions: Some(instructions),
                ..PerfCounters::default()
            }),
            ..Iteration::default()
        };
        for (metric, value) in [
            (Metric::Wall, Some(1_500.0)),
            (Metric::User, Some(3_000.0)),
            (Metric::System, None),
            (Metric::Rss, Some(4_096.0)),
            (Metric::Instructions, Some(7.0)),
            (Metric::Cycles, None),
        ] {
            assert_eq!(metric.of(&iteration), value, "{metric}");
        }
        iteration.instructions = Some(8);
        assert_eq!(Metric::Instructions.of(&iteration), Some(8.0));
    }
}
