//! From the decision to the last CPU that is given back: what a runner does about the host's CPUs.
//!
//! ```text
//! claim ── turned off, another runner has the host ──► unpinned, and said
//!   │
//! layout ─► partition ── refused ──► precedence ── refused ──► plain affinity, and said
//!              └─────────────────────────┴─────────────┬───► the runner's threads on housekeeping ─► machines ─► end: given back
//! ```
//!
//! One runner at a time has the host's CPUs: two would give the same CPU to two benchmarks.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use super::affinity::{confine_this_process, permitted};
use super::partition::{self, Partition, PartitionKind};
use super::placement::Placement;
use super::precedence::{self, Precedence};
use super::{CpuSet, Demand, Layout, LayoutError, Topology, decide, memory};
use crate::Reporter;

/// What the user wants of the host's CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuChoice {
    /// The benchmark's CPUs; `None` for those that the runner finds best.
    pub cpus: Option<CpuSet>,
    /// Whether they may be taken away from the rest of the host.
    pub partition: bool,
}

/// What the machines are like that are to be placed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machines {
    /// Whether the kernel works for them.
    pub(crate) have_kvm: bool,
    /// Whether they are born in a cgroup, and with the memory, that they are to have: it is the jail that
    /// does that, and init without a VM.
    pub(crate) have_jail: bool,
}

const WITHOUT_JAIL: &str = "without a jail the VMM is put in no cgroup";

/// Whether this runner has the host's CPUs.
#[derive(Debug)]
pub(crate) enum Claim<'a> {
    /// It has the host's lock, and is root.
    Host,
    /// An ordinary user's, who has a lock below this folder, among that user's runners.
    User(&'a Path),
    /// The user does not want it.
    Off,
    /// It has not, for this reason.
    Taken(String),
}

/// Who has which CPUs while something runs, for the result document. Sets are lists as the kernel
/// writes them, such as `0-3,8`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CpuLayoutState {
    /// Whether the benchmark ran on CPUs of its own choice, and everything else of the runner's
    /// elsewhere.
    pub pinned: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The benchmark's CPUs.
    pub benchmark: Option<String>,
    /// The CPUs of the runner's own threads.
    pub housekeeping: Option<String>,
    /// The CPUs of the VMM's threads that are no vCPUs.
    pub vmm: Option<String>,
    /// Sibling threads of the benchmark's CPUs, which nothing of the runner's uses.
    pub idle: Option<String>,
    /// The CPU of each vCPU; empty without a VM.
    pub vcpus: Vec<u32>,
    /// The NUMA node of the benchmark's CPUs; absent when they are of several.
    pub numa_node: Option<u32>,
    /// Whether all of the VMM's memory was from that node; absent on a host with one node, and
    /// without a VM.
    pub memory_bound: Option<bool>,
    /// How the benchmark's CPUs were taken away from the rest of the host; absent when they were
    /// not.
    pub partition: Option<PartitionKind>,
    /// Why they were not.
    pub partition_reason: Option<String>,
    /// How many times as much of its CPUs' time as another cgroup the benchmark could have, where
    /// the CPUs were not taken away from the host; absent when it had no precedence.
    pub precedence: Option<u32>,
    /// Why it had none, where it was tried.
    pub precedence_reason: Option<String>,
    /// What could not be had on this host, in words.
    pub compromises: Vec<String>,
}

/// The host's CPUs while something runs. Given back when it is dropped; the runner's own threads stay
/// where they are until their [`KeptAffinity`](super::KeptAffinity) is.
#[derive(Debug)]
pub(crate) struct Pinning {
    reporter: Arc<dyn Reporter>,
    placement: Option<Placement>,
    state: CpuLayoutState,
    partition: Option<Partition>,
    precedence: Option<Precedence>,
    _lock: Option<Flock<File>>,
}

/// The host's topology, as far as this process may use it.
pub(crate) fn this_host() -> io::Result<Topology> {
    Ok(Topology::read(Path::new("/sys"), &permitted()?))
}

impl Pinning {
    /// Takes the CPUs, moves this process to the housekeeping ones, and says so in one line.
    /// Blocks. `machines` says what they are like.
    ///
    /// # Errors
    ///
    /// When CPUs that the user named can not be had. Everything else is said.
    pub(crate) fn begin(
        choice: &CpuChoice,
        demand: Demand,
        machines: Machines,
        claim: &Claim<'_>,
        reporter: &Arc<dyn Reporter>,
    ) -> Result<Self, LayoutError> {
        if matches!(claim, Claim::Host) {
            give_back_left_over(reporter.as_ref());
        }
        let unpinned = |reason: String| Self {
            reporter: Arc::clone(reporter),
            placement: None,
            state: CpuLayoutState {
                reason: Some(reason),
                ..CpuLayoutState::default()
            },
            partition: None,
            precedence: None,
            _lock: None,
        };
        let without = |reason: String| {
            reporter.info(&format!("CPUs: not pinned: {reason}"));
            unpinned(reason)
        };
        let lock = match (claim, &choice.cpus) {
            // Whoever names CPUs answers for their being free.
            (Claim::Host, _) | (_, Some(_)) => None,
            (Claim::Off, None) => return Ok(unpinned("it was turned off".to_owned())),
            (Claim::Taken(reason), None) => return Ok(without(reason.clone())),
            (Claim::User(folder), None) => match lock(folder) {
                Ok(lock) => Some(lock),
                Err(reason) => return Ok(without(reason)),
            },
        };
        let allowed = match permitted() {
            Ok(allowed) => allowed,
            Err(error) => return Ok(without(error.to_string())),
        };
        let topology = Topology::read(Path::new("/sys"), &allowed);
        let layout = decide(&topology, demand, choice.cpus.as_ref())?;
        let may_take = may_take(choice, claim, machines);
        let partition = may_take
            .clone()
            .and_then(|()| Partition::make(&wanted(demand, &layout)?));
        let precedence = match (&partition, may_take) {
            (Err(_), Ok(())) => Some(leaves_a_cpu(&layout).and_then(|()| Precedence::make())),
            _ => None,
        };
        let emulator = layout.emulator.filter(|_| partition.is_ok());
        let emulator = CpuSet::from_iter(emulator);
        let housekeeping = layout.housekeeping.without(&emulator);
        let others = if emulator.is_empty() {
            housekeeping.clone()
        } else {
            emulator
        };
        if let Err(error) = confine_this_process(&housekeeping) {
            return Ok(without(format!(
                "failed to run on the CPUs {housekeeping} alone: {error}"
            )));
        }
        let mut state = state(&layout, &housekeeping, &others, &partition);
        match &precedence {
            Some(Ok(made)) => state.precedence = Some(made.times),
            Some(Err(reason)) => state.precedence_reason = Some(reason.clone()),
            None => {}
        }
        let precedence = precedence.and_then(Result::ok);
        let memory_node = layout.node.filter(|_| topology.has_several_nodes());
        let memory_node = memory_node.filter(|_| !layout.vcpus.is_empty());
        let obstacle = memory_node.and_then(|node| {
            let without = (!machines.have_jail).then(|| WITHOUT_JAIL.to_owned());
            without.or_else(|| memory::obstacle(node))
        });
        state.memory_bound = memory_node.map(|_| obstacle.is_none());
        if let (Some(node), Some(reason)) = (memory_node, &obstacle) {
            reporter.info(&format!(
                "the guest's memory is not bound to node {node}: {reason}"
            ));
        }
        reporter.info(&state.summary());
        Ok(Self {
            reporter: Arc::clone(reporter),
            state,
            placement: Some(Placement {
                benchmark: layout.benchmark,
                others,
                vcpus: layout.vcpus,
                cgroup: partition
                    .as_ref()
                    .ok()
                    .map(Partition::path)
                    .or_else(|| precedence.as_ref()?.parent())
                    .map(Path::to_owned),
                precedence: precedence
                    .as_ref()
                    .and_then(Precedence::members)
                    .map(Path::to_owned),
                memory_node: memory_node.filter(|_| obstacle.is_none()),
                has_kernel_threads: machines.have_kvm && nix::unistd::geteuid().is_root(),
            }),
            partition: partition.ok(),
            precedence,
            _lock: lock,
        })
    }

    /// Where machines run; `None` for wherever the kernel wants.
    pub(crate) fn placement(&self) -> Option<&Placement> {
        self.placement.as_ref()
    }

    /// What is in force, for the result.
    pub(crate) fn state(&self) -> &CpuLayoutState {
        &self.state
    }
}

impl Drop for Pinning {
    fn drop(&mut self) {
        let partition = self.partition.take();
        let precedence = self.precedence.take();
        for given_back in [
            partition.as_ref().map(Partition::give_back),
            precedence.as_ref().map(Precedence::give_back),
        ] {
            if let Some(Err(error)) = given_back {
                self.reporter.warning(&format!(
                    "failed to give back the benchmark's CPUs: {error}; `runner tune restore` tries \
                     again"
                ));
            }
        }
    }
}

impl CpuLayoutState {
    fn summary(&self) -> String {
        let of = |set: &Option<String>| set.clone().unwrap_or_default();
        let partition = match (self.partition, &self.partition_reason) {
            (Some(PartitionKind::Isolated), _) => "an isolated partition".to_owned(),
            (Some(PartitionKind::Root), _) => "a partition".to_owned(),
            (None, Some(reason)) => format!("no partition: {reason}"),
            (None, None) => "no partition".to_owned(),
        };
        let precedence = match (self.precedence, &self.precedence_reason) {
            (Some(times), _) => format!("; {times} times the weight of others"),
            (None, Some(reason)) => format!("; no precedence: {reason}"),
            (None, None) => String::new(),
        };
        let compromises = self.compromises.iter();
        compromises.fold(
            format!(
                "CPUs: benchmark {}, housekeeping {} ({partition}{precedence})",
                of(&self.benchmark),
                of(&self.housekeeping)
            ),
            |text, compromise| text + "; " + compromise,
        )
    }
}

fn state(
    layout: &Layout,
    housekeeping: &CpuSet,
    others: &CpuSet,
    partition: &Result<Partition, String>,
) -> CpuLayoutState {
    let list = |set: &CpuSet| (!set.is_empty()).then(|| set.to_string());
    let compromises = layout.compromises.iter();
    CpuLayoutState {
        pinned: true,
        reason: None,
        benchmark: list(&layout.benchmark),
        housekeeping: list(housekeeping),
        vmm: list(others).filter(|_| !layout.vcpus.is_empty()),
        idle: list(&layout.idle),
        vcpus: layout.vcpus.clone(),
        numa_node: layout.node,
        memory_bound: None,
        partition: partition.as_ref().ok().map(|partition| partition.kind),
        partition_reason: partition.as_ref().err().cloned(),
        precedence: None,
        precedence_reason: None,
        compromises: compromises.map(ToString::to_string).collect(),
    }
}

/// Whether this runner may take CPUs away from the host, or why not.
fn may_take(choice: &CpuChoice, claim: &Claim<'_>, machines: Machines) -> Result<(), String> {
    if !choice.partition {
        return Err("it was turned off".to_owned());
    }
    match claim {
        Claim::Host if !machines.have_jail => Err(WITHOUT_JAIL.to_owned()),
        Claim::Host => Ok(()),
        Claim::User(_) => Err("only root takes CPUs away from the host".to_owned()),
        Claim::Off => Err("host tuning was turned off".to_owned()),
        Claim::Taken(reason) => Err(reason.clone()),
    }
}

/// Whether the host has a CPU that is not the benchmark's.
fn leaves_a_cpu(layout: &Layout) -> Result<(), String> {
    let own = layout.benchmark.or(&layout.idle);
    if own.and(&layout.housekeeping).is_empty() {
        Ok(())
    } else {
        Err("the host would have no CPU left".to_owned())
    }
}

/// The CPUs of a partition.
fn wanted(demand: Demand, layout: &Layout) -> Result<CpuSet, String> {
    leaves_a_cpu(layout)?;
    let own = layout.benchmark.or(&layout.idle);
    match (demand, layout.emulator) {
        // The runner and its init stay outside.
        (Demand::AsMany, _) => Ok(own),
        (Demand::Vcpus(_), Some(emulator)) => Ok(own.or(&CpuSet::from_iter([emulator]))),
        // All of a VMM is in it: its other threads would have to share the benchmark's CPUs.
        (Demand::Vcpus(_), None) => {
            Err("there are too few CPUs to give the VMM's other threads one".to_owned())
        }
    }
}

/// Whether CPUs are taken away from the rest of this host, or come before it, for a runner that
/// lives or did not end as it should have.
pub(crate) fn has_left_over() -> bool {
    partition::has_left_over() || precedence::has_left_over()
}

/// Gives back the CPUs that a runner took which is no more. Only for who has the host's lock.
pub(crate) fn give_back_left_over(reporter: &dyn Reporter) {
    if !has_left_over() {
        return;
    }
    match partition::remove_left_over().and_then(|()| precedence::remove_left_over()) {
        Ok(()) => reporter.info("gave back the CPUs of a runner that was ended before it could"),
        Err(error) => reporter.warning(&format!(
            "failed to give back the CPUs of a runner that is no more: {error}"
        )),
    }
}

/// The lock of a user's runners, or why it can not be had.
fn lock(folder: &Path) -> Result<Flock<File>, String> {
    let path = folder.join("cpus.lock");
    let failed = |error: io::Error| format!("failed to lock {}: {error}", path.display());
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => {
            Err("another runner of this user has the CPUs".to_owned())
        }
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

#[cfg(test)]
#[path = "pinning_tests.rs"]
mod tests;
