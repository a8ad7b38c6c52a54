//! Looks at the host and at what the machine costs it, before an iteration's command and after it.

use std::time::Duration;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::cgroup::CpuTime;
use crate::machine::Machine;
use crate::result::HostCpu;
use crate::validity::{Assessment, Observation, Observer, Validity};

/// A witness of one iteration.
#[derive(Debug)]
pub(crate) struct Witness<'a> {
    observer: &'a mut Observer,
    before: Option<Moment>,
}

/// The host at one moment.
#[derive(Debug)]
struct Moment {
    observation: Observation,
    machine: Option<CpuTime>,
    /// The CPU time of the runner itself.
    runner: Duration,
}

/// What was seen of an iteration.
#[derive(Debug)]
pub(crate) struct Witnessed {
    pub(crate) host_cpu: Option<HostCpu>,
    pub(crate) validity: Validity,
}

impl<'a> Witness<'a> {
    pub(crate) fn new(observer: &'a mut Observer) -> Self {
        Self {
            observer,
            before: None,
        }
    }

    /// To be called when the guest has its orders.
    pub(crate) fn begin(&mut self, machine: &Machine) {
        self.before = Some(self.look(machine));
    }

    /// To be called when the guest has reported the command's end.
    pub(crate) fn end(&mut self, machine: &Machine) -> Option<Witnessed> {
        let before = self.before.take()?;
        let after = self.look(machine);
        let machine = match (before.machine, after.machine) {
            (Some(before), Some(after)) => Some(after.since(before)),
            _ => None,
        };
        let runner = after.runner.saturating_sub(before.runner);
        let assessment = Assessment {
            before: &before.observation,
            after: &after.observation,
            own: machine.map(|time| Duration::from_micros(time.all) + runner),
        };
        Some(Witnessed {
            host_cpu: machine.map(HostCpu::from),
            validity: assessment.validity(),
        })
    }

    fn look(&mut self, machine: &Machine) -> Moment {
        Moment {
            observation: self.observer.observe(),
            machine: machine.cpu_time(),
            runner: own_time(),
        }
    }
}

/// The CPU time of this process.
fn own_time() -> Duration {
    let microseconds = getrusage(UsageWho::RUSAGE_SELF).map_or(0, |usage| {
        (usage.user_time() + usage.system_time()).num_microseconds()
    });
    Duration::from_micros(u64::try_from(microseconds).unwrap_or(0))
}
