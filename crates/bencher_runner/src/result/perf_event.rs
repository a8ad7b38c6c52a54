//! What performance counters count: names, units and places in the result.

use super::{PerfCounter, PerfCounters, Unit};

/// What a performance counter counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PerfEvent {
    Instructions,
    Cycles,
    Branches,
    BranchMisses,
    CacheReferences,
    CacheMisses,
    TaskClock,
    ContextSwitches,
    CpuMigrations,
}

impl PerfEvent {
    /// Every event. Those that tell most come first: when the processor has too few counters, the
    /// kernel begins with them.
    pub(crate) const ALL: [Self; 9] = [
        Self::Instructions,
        Self::Cycles,
        Self::Branches,
        Self::BranchMisses,
        Self::CacheReferences,
        Self::CacheMisses,
        Self::TaskClock,
        Self::ContextSwitches,
        Self::CpuMigrations,
    ];

    /// Its name in the result.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
            Self::Branches => "branches",
            Self::BranchMisses => "branch_misses",
            Self::CacheReferences => "cache_references",
            Self::CacheMisses => "cache_misses",
            Self::TaskClock => "task_clock_ns",
            Self::ContextSwitches => "context_switches",
            Self::CpuMigrations => "cpu_migrations",
        }
    }

    pub(crate) fn unit(self) -> Unit {
        match self {
            Self::Instructions => Unit::Instructions,
            Self::Cycles => Unit::Cycles,
            Self::Branches | Self::BranchMisses => Unit::Branches,
            Self::CacheReferences | Self::CacheMisses => Unit::Accesses,
            Self::TaskClock => Unit::Nanoseconds,
            Self::ContextSwitches => Unit::Switches,
            Self::CpuMigrations => Unit::Migrations,
        }
    }

    /// What was counted of it.
    pub(crate) fn of(self, counters: &PerfCounters) -> Option<&PerfCounter> {
        let place = match self {
            Self::Instructions => &counters.instructions,
            Self::Cycles => &counters.cycles,
            Self::Branches => &counters.branches,
            Self::BranchMisses => &counters.branch_misses,
            Self::CacheReferences => &counters.cache_references,
            Self::CacheMisses => &counters.cache_misses,
            Self::TaskClock => &counters.task_clock_ns,
            Self::ContextSwitches => &counters.context_switches,
            Self::CpuMigrations => &counters.cpu_migrations,
        };
        place.as_ref()
    }

    /// Its place in the result.
    pub(crate) fn place(self, counters: &mut PerfCounters) -> &mut Option<PerfCounter> {
        match self {
            Self::Instructions => &mut counters.instructions,
            Self::Cycles => &mut counters.cycles,
            Self::Branches => &mut counters.branches,
            Self::BranchMisses => &mut counters.branch_misses,
            Self::CacheReferences => &mut counters.cache_references,
            Self::CacheMisses => &mut counters.cache_misses,
            Self::TaskClock => &mut counters.task_clock_ns,
            Self::ContextSwitches => &mut counters.context_switches,
            Self::CpuMigrations => &mut counters.cpu_migrations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::{CountedCode, Measure, MeasureSource};

    #[test]
    fn every_event_has_its_own_place_under_its_name() {
        for event in PerfEvent::ALL {
            let mut counters = PerfCounters::default();
            *event.place(&mut counters) = Some(PerfCounter {
                measure: Measure {
                    value: 7,
                    unit: event.unit(),
                    source: MeasureSource::HostPmu,
                },
                of: CountedCode::Command,
                measured_share: 1.0,
            });
            assert!(event.of(&counters).is_some());
            let names: Vec<_> = counters.named().map(|(name, _)| name).collect();
            assert_eq!(names, [event.name()]);
            let counters = serde_json::to_value(&counters).unwrap();
            let places = counters.as_object().unwrap().iter();
            let there: Vec<_> = places.filter(|(_, value)| value.is_object()).collect();
            assert!(matches!(there[..], [(name, _)] if name == event.name()));
        }
    }
}
