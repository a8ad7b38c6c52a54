//! The host around the iterations: its knobs, and who has which CPUs.
//!
//! The knobs come first, since they take sibling threads offline, and are put back last.

use std::path::Path;
use std::sync::Arc;

use super::prepare::Machinery;
use super::{RunError, RunSpec, SandboxChoice};
use crate::Reporter;
use crate::cpus::{
    self, Claim, Compromise, CpuLayoutState, CpuSet, Demand, KeptAffinity, LayoutError, Machines,
    Pinning, Placement, Topology, decide,
};
use crate::jail::Strictness;
use crate::machine::Accelerator;
use crate::tuning::{self, Feature, Place, Tuning, TuningState, TuningStrictness};

/// What is in force on the host, for the result.
#[derive(Debug, Clone)]
pub(crate) struct HostState {
    pub(crate) tuning: TuningState,
    pub(crate) cpus: CpuLayoutState,
}

/// A host that is as quiet as it gets. Put back when dropped.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// Dropped before the tuning.
    pinning: Pinning,
    tuning: Tuning,
    /// Dropped last: the tuning may have taken CPUs offline.
    affinity: KeptAffinity,
}

impl Quiet {
    /// Tunes the host, and gives out its CPUs. Blocks.
    pub(crate) fn begin(
        spec: &RunSpec,
        sandbox: &Machinery,
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Self, RunError> {
        let demand = match sandbox {
            Machinery::Host(_) => Demand::AsMany,
            Machinery::Firecracker(_) | Machinery::Qemu(_) => Demand::Vcpus(spec.vcpus),
        };
        let housekeeping = housekeeping(spec, demand)?;
        let place = Place::this_host();
        let affinity = KeptAffinity::now(reporter);
        let tuning = Tuning::begin(&place, &spec.tuning, housekeeping.as_ref(), reporter)?;
        let claim = if tuning.has_host() {
            Claim::Host
        } else if spec.tuning.strictness == TuningStrictness::Off {
            Claim::Off
        } else if nix::unistd::geteuid().is_root() {
            let reason = tuning.state().reason.clone();
            Claim::Taken(reason.unwrap_or_default())
        } else {
            Claim::User(&spec.directories.state)
        };
        let machines = Machines {
            have_kvm: sandbox.sandbox().description().accelerator == Accelerator::Kvm,
            have_jail: demand == Demand::AsMany || spec.jail.strictness != Strictness::Off,
        };
        let pinning = Pinning::begin(&spec.cpus, demand, machines, &claim, reporter)?;
        Ok(Self {
            pinning,
            tuning,
            affinity,
        })
    }

    /// Where machines run.
    pub(crate) fn placement(&self) -> Option<&Placement> {
        self.pinning.placement()
    }

    /// Puts everything back, and returns what was in force. Blocks.
    pub(crate) fn end(self) -> HostState {
        let Self {
            pinning,
            tuning,
            affinity,
        } = self;
        let state = HostState {
            tuning: tuning.state().clone(),
            cpus: pinning.state().clone(),
        };
        drop(pinning);
        tuning.end();
        drop(affinity);
        state
    }
}

/// Puts back what runners left that are no more.
pub(crate) fn put_back_left_over(reporter: &dyn Reporter) {
    tuning::put_back_left_over(&Place::this_host(), reporter);
    give_back_left_over(reporter);
}

/// Gives CPUs back to the host that a runner took which is no more, unless another runner has the
/// host. What can not be done is a warning.
pub fn give_back_left_over(reporter: &dyn Reporter) {
    if cpus::has_left_over() {
        let place = Place::this_host();
        tuning::if_host_is_free(&place, || cpus::give_back_left_over(reporter));
    }
}

/// Whether the CPUs that the user named can be used: better to learn that before an image is
/// prepared.
pub(crate) fn check(spec: &RunSpec) -> Result<(), RunError> {
    let demand = match spec.sandbox {
        SandboxChoice::None => Demand::AsMany,
        _ => Demand::Vcpus(spec.vcpus),
    };
    match &spec.cpus.cpus {
        Some(_) => housekeeping(spec, demand).map(drop).map_err(RunError::from),
        None => Ok(()),
    }
}

/// The CPUs that will be left to the host once it is tuned; `None` when none are.
fn housekeeping(spec: &RunSpec, demand: Demand) -> Result<Option<CpuSet>, LayoutError> {
    // What can not be known now is said when the CPUs are given out.
    let Ok(topology) = cpus::this_host() else {
        return Ok(None);
    };
    let topology = tuned(topology, spec);
    let layout = decide(&topology, demand, spec.cpus.cpus.as_ref())?;
    let is_shared = layout.compromises.contains(&Compromise::NoHousekeeping);
    Ok((!is_shared).then_some(layout.housekeeping))
}

/// The host as it will be when this run has tuned it.
fn tuned(topology: Topology, spec: &RunSpec) -> Topology {
    let control = Path::new("/sys/devices/system/cpu/smt/control");
    let has_smt = std::fs::read_to_string(control).is_ok_and(|state| state.trim() == "on");
    let will_lose_it = has_smt
        && nix::unistd::geteuid().is_root()
        && spec.tuning.strictness != TuningStrictness::Off
        && !spec.tuning.choices.keep.contains(&Feature::Smt);
    if will_lose_it {
        topology.without_siblings()
    } else {
        topology
    }
}
