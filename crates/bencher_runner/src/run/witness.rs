//! Looks at the host and at what the machine costs it, before an iteration's command and after it.

use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use super::RunSpec;
use crate::Reporter;
use crate::cgroup::CpuTime;
use crate::counters::{Counting, Meters};
use crate::cpus::{CpuSet, Placement, thread_time};
use crate::machine::{Accelerator, Machine, Sandbox};
use crate::result::{HostCpu, Measure, MeasureSource, PerfCounters, Unit};
use crate::validity::{Assessment, Observation, Observer, Validity};

/// What the witnesses of all iterations look through.
#[derive(Debug)]
pub(crate) struct Instruments {
    pub(crate) observer: Observer,
    own: Own,
    /// `None` where nobody wants counters.
    meters: Option<Meters>,
}

/// Whose CPU time on the CPUs that are looked at is the run's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    /// The whole machine's, and the runner's.
    Everything,
    /// The machine's.
    Machine,
    /// That of the threads which execute the guest.
    Vcpus,
}

impl Own {
    /// What runs on the benchmark's CPUs.
    fn of(placement: Option<&Placement>, accelerator: Accelerator) -> Self {
        match placement {
            Some(own) if own.benchmark.and(&own.others).is_empty() => match accelerator {
                Accelerator::None => Self::Machine,
                Accelerator::Kvm | Accelerator::Tcg => Self::Vcpus,
            },
            _ => Self::Everything,
        }
    }
}

impl Instruments {
    /// Those for iterations in machines of `sandbox`, which are where `placement` says.
    pub(crate) fn new(
        spec: &RunSpec,
        sandbox: &dyn Sandbox,
        placement: Option<&Placement>,
        reporter: &Arc<dyn Reporter>,
    ) -> Self {
        let accelerator = sandbox.description().accelerator;
        let wants_counters = spec.perf_counters;
        let benchmark = placement.map(|placement| placement.benchmark.clone());
        Self {
            observer: Observer::new(benchmark.unwrap_or_else(CpuSet::of_this_process)),
            own: Own::of(placement, accelerator),
            meters: wants_counters.then(|| Meters::new(accelerator, reporter)),
        }
    }
}

/// A witness of one iteration.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    instruments: &'a mut Instruments,
    counting: Option<Counting>,
    before: Option<Moment>,
}

/// The host at one moment.
#[derive(Debug)]
struct Moment {
    observation: Observation,
    machine: Option<CpuTime>,
    exits: Option<u64>,
    /// The CPU time of what is the run's own on the CPUs that are looked at.
    own: Option<Duration>,
}

/// What was seen of an iteration.
#[derive(Debug)]
pub(crate) struct Witnessed {
    pub(crate) host_cpu: Option<HostCpu>,
    pub(crate) vm_exits: Option<Measure>,
    pub(crate) perf_counters: Option<PerfCounters>,
    pub(crate) validity: Validity,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(instruments: &'a mut Instruments) -> Self {
        Self {
            instruments,
            counting: None,
            before: None,
        }
    }

    /// To be called when the guest is up, before it has its orders.
    pub(crate) fn count(&mut self, machine: &Machine) {
        let meters = self.instruments.meters.as_mut();
        self.counting = meters.map(|meters| meters.begin(machine));
    }

    /// To be called when the guest has its orders.
    pub(crate) fn begin(&mut self, machine: &Machine) {
        self.before = Some(self.look(machine));
    }

    /// To be called when the guest has reported the command's end.
    pub(crate) fn end(&mut self, machine: &Machine) -> Option<Witnessed> {
        let before = self.before.take()?;
        let counting = self.instruments.meters.as_mut().zip(self.counting.take());
        let perf_counters = counting.map(|(meters, counting)| meters.end(counting));
        let after = self.look(machine);
        let machine = match (before.machine, after.machine) {
            (Some(before), Some(after)) => Some(after.since(before)),
            _ => None,
        };
        let assessment = Assessment {
            before: &before.observation,
            after: &after.observation,
            own: before
                .own
                .zip(after.own)
                .map(|(before, after)| after.saturating_sub(before)),
        };
        Some(Witnessed {
            host_cpu: machine.map(HostCpu::from),
            vm_exits: before.exits.zip(after.exits).map(exits),
            perf_counters,
            validity: assessment.validity(),
        })
    }

    fn look(&mut self, machine: &Machine) -> Moment {
        let counted = machine.cpu_time();
        let of_machine = counted.map(|time| Duration::from_micros(time.all));
        Moment {
            own: match self.instruments.own {
                Own::Everything => of_machine.map(|time| time + own_time()),
                Own::Machine => of_machine,
                Own::Vcpus => vcpu_time(machine),
            },
            observation: self.instruments.observer.observe(),
            machine: counted,
            exits: machine.vm_exits(),
        }
    }
}

/// The exits between two counts.
fn exits((before, after): (u64, u64)) -> Measure {
    Measure {
        value: after.saturating_sub(before),
        unit: Unit::Exits,
        source: MeasureSource::KvmStatistics,
    }
}

/// The CPU time of the threads that execute the guest.
fn vcpu_time(machine: &Machine) -> Option<Duration> {
    let threads = machine.executing_threads().ok()?;
    threads.into_iter().map(thread_time).sum()
}

/// The CPU time of this process.
fn own_time() -> Duration {
    let microseconds = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        (usage.user_time() + usage.system_time()).num_microseconds()
    });
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}
