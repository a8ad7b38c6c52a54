//! Which CPUs are the benchmark's and which everybody else's: a decision without I/O.
//!
//! ```text
//!                 ┌─ benchmark     one for each vCPU, and nothing else on it
//! permitted CPUs ─┼─ idle          their sibling threads, which would take half of their core
//!                 └─ housekeeping  the runner, the VMM's other threads, interrupts, the host
//! ```
//!
//! Every way to choose is valued, and the one with the least harm wins. What harms most comes
//! first: vCPUs that take turns on a CPU; other work on the benchmark's CPUs; cores of two kinds;
//! vCPUs that share a core; other work on the sibling of a benchmark CPU; memory of two nodes. Then
//! come CPUs that were kept free at boot, the fastest kind of core, one last-level cache, and one
//! that housekeeping does not use. High numbers are preferred: kernels and drivers like the low
//! ones, and the boot CPU can not be freed of everything.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU8;

use thiserror::Error;

use super::{CoreKind, CpuSet, Topology};

/// How many CPUs a benchmark is to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// One for each virtual CPU.
    Vcpus(NonZeroU8),
    /// As many as one node has of one kind, but for what the host needs: the command runs on the
    /// host itself.
    AsMany,
}

/// Who uses which CPUs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Where the benchmark runs. Never empty.
    pub benchmark: CpuSet,
    /// Where everything else of the runner's runs. Never empty.
    pub housekeeping: CpuSet,
    /// Left alone, because they share cores with the benchmark.
    pub idle: CpuSet,
    /// The CPU of each vCPU; empty for [`Demand::AsMany`].
    pub vcpus: Vec<u32>,
    /// One of the housekeeping CPUs that the VMM's other threads can have when the benchmark's are
    /// taken away from the host; `None` when the host needs all of them.
    pub emulator: Option<u32>,
    /// The NUMA node of the benchmark CPUs; `None` when they are of several.
    pub node: Option<u32>,
    /// What could not be had on this host.
    pub compromises: BTreeSet<Compromise>,
}

/// What could not be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Compromise {
    /// There are more vCPUs than CPUs for them.
    VcpusTakeTurns,
    /// The runner, the VMM's other threads and the host run on the benchmark's CPUs too.
    NoHousekeeping,
    /// Not all benchmark CPUs are of one kind of core.
    MixedCores,
    /// Some benchmark CPUs are threads of one core.
    SharedCores,
    /// Other work runs on the sibling thread of a benchmark CPU.
    BusySiblings,
    /// The benchmark CPUs are of several NUMA nodes.
    SeveralNodes,
    /// The benchmark CPUs are not of the fastest kind.
    SlowCores,
}

/// Why the CPUs that were named can not be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LayoutError {
    /// None was named.
    #[error("the list of CPUs is empty: name at least one with --cpus, as in 2-3,8")]
    Empty,
    /// Some are not there.
    #[error(
        "not online: CPU {missing} of --cpus; online are {online} (host tuning takes sibling \
         threads offline unless it is told to keep them with --smt)"
    )]
    NotOnline {
        /// Those.
        missing: CpuSet,
        /// What there is.
        online: CpuSet,
    },
    /// Some are somebody else's.
    #[error(
        "not permitted: CPU {missing} of --cpus; the affinity or the cpuset of this process allows \
         {permitted}"
    )]
    NotPermitted {
        /// Those.
        missing: CpuSet,
        /// What is allowed.
        permitted: CpuSet,
    },
    /// This process may use none of the CPUs that are online.
    #[error("this process is allowed none of the CPUs that are online ({online})")]
    Nothing {
        /// What there is.
        online: CpuSet,
    },
}

impl fmt::Display for Compromise {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::VcpusTakeTurns => "there are more vCPUs than CPUs for them, so they take turns",
            Self::NoHousekeeping => {
                "no CPU is left for anything else, so the runner, the VMM's other threads and the \
                 host use the benchmark's too"
            }
            Self::MixedCores => "the benchmark has cores of different kinds",
            Self::SharedCores => "some CPUs of the benchmark are threads of one core",
            Self::BusySiblings => {
                "other work runs on a core of the benchmark's, on its other thread"
            }
            Self::SeveralNodes => "the benchmark has CPUs of several NUMA nodes",
            Self::SlowCores => "the benchmark has cores that are not this host's fastest",
        })
    }
}

/// Decides who uses which CPUs. `named` are the CPUs that the user wants for the benchmark.
///
/// # Errors
///
/// [`LayoutError`] when a CPU that was named can not be used, or there is none at all.
pub fn decide(
    topology: &Topology,
    demand: Demand,
    named: Option<&CpuSet>,
) -> Result<Layout, LayoutError> {
    let permitted = topology.permitted();
    if permitted.is_empty() {
        return Err(LayoutError::Nothing {
            online: topology.online(),
        });
    }
    if let Some(named) = named {
        check(topology, named)?;
        return Ok(lay_out(topology, named.clone(), demand));
    }
    let layouts = ways(topology, demand)
        .into_iter()
        .map(|benchmark| lay_out(topology, benchmark, demand));
    let best = layouts.min_by_key(|layout| harm(topology, layout, demand));
    Ok(best.unwrap_or_else(|| lay_out(topology, permitted, demand)))
}

fn check(topology: &Topology, named: &CpuSet) -> Result<(), LayoutError> {
    let (online, permitted) = (topology.online(), topology.permitted());
    let missing = named.without(&online);
    if named.is_empty() {
        Err(LayoutError::Empty)
    } else if !missing.is_empty() {
        Err(LayoutError::NotOnline { missing, online })
    } else if !named.is_subset(&permitted) {
        let missing = named.without(&permitted);
        Err(LayoutError::NotPermitted { missing, permitted })
    } else {
        Ok(())
    }
}

/// A core, as far as this process may use it.
#[derive(Debug, Clone)]
struct Core {
    /// Lowest first.
    cpus: Vec<u32>,
    kind: CoreKind,
    node: u32,
    /// The lowest CPU of its last-level cache.
    cache: u32,
    is_quiet: bool,
}

fn cores(topology: &Topology) -> Vec<Core> {
    let mut cores = BTreeMap::new();
    for (id, cpu) in topology.iter().filter(|(_, cpu)| cpu.is_permitted) {
        let first = cpu.core.iter().next();
        let core = cores.entry(first).or_insert_with(|| Core {
            cpus: Vec::new(),
            kind: cpu.kind,
            node: cpu.node,
            cache: cpu.cache.iter().next().unwrap_or(id),
            is_quiet: true,
        });
        core.cpus.push(id);
        core.is_quiet &= cpu.is_quiet;
    }
    cores.into_values().collect()
}

/// Sets of CPUs that the benchmark could have: out of each cache, node and kind of core, and of all
/// of them, with and without the core that housekeeping likes best.
fn ways(topology: &Topology, demand: Demand) -> Vec<CpuSet> {
    let all = cores(topology);
    let mut pools = Vec::new();
    for model in &all {
        let same: [&dyn Fn(&Core) -> bool; 6] = [
            &|core| (core.cache, core.kind) == (model.cache, model.kind),
            &|core| (core.node, core.kind) == (model.node, model.kind),
            &|core| core.node == model.node,
            &|core| core.kind == model.kind,
            &|core| core.is_quiet && (core.node, core.kind) == (model.node, model.kind),
            &|_| true,
        ];
        pools.extend(same.map(|is_same| {
            let members = all.iter().filter(|core| is_same(core));
            members.collect::<Vec<_>>()
        }));
    }
    let first = all.first().and_then(|core| core.cpus.first());
    let mut ways = Vec::new();
    for pool in pools {
        let others = pool.iter().copied();
        let others: Vec<_> = others.filter(|core| core.cpus.first() != first).collect();
        for mut pool in [pool, others] {
            pool.sort_by_key(|core| (!core.is_quiet, Reverse(core.cpus.first().copied())));
            ways.extend(take(&pool, demand));
        }
    }
    ways
}

/// Takes what is wanted out of `pool`: a thread of each core, and second threads only when there
/// are too few cores. All that there is when that is less; nothing out of nothing.
fn take(pool: &[&Core], demand: Demand) -> Option<CpuSet> {
    let count = match demand {
        Demand::Vcpus(count) => usize::from(count.get()),
        Demand::AsMany => pool.len(),
    };
    let most = pool.iter().map(|core| core.cpus.len()).max()?;
    let rounds = (0..most).flat_map(|thread| {
        let threads = pool.iter().filter_map(move |core| core.cpus.get(thread));
        threads.copied()
    });
    Some(rounds.take(count).collect())
}

/// The layout that has `benchmark`.
fn lay_out(topology: &Topology, benchmark: CpuSet, demand: Demand) -> Layout {
    let cpus: Vec<_> = benchmark.iter().filter_map(|id| topology.cpu(id)).collect();
    let mut compromises = BTreeSet::new();
    let cores: BTreeSet<_> = cpus.iter().map(|cpu| cpu.core.iter().next()).collect();
    if cores.len() < benchmark.len() {
        compromises.insert(Compromise::SharedCores);
    }
    let kinds: BTreeSet<_> = cpus.iter().map(|cpu| cpu.kind).collect();
    if kinds.len() > 1 {
        compromises.insert(Compromise::MixedCores);
    } else if kinds.contains(&CoreKind::Efficiency) {
        compromises.insert(Compromise::SlowCores);
    }
    let nodes: BTreeSet<_> = cpus.iter().map(|cpu| cpu.node).collect();
    if nodes.len() > 1 {
        compromises.insert(Compromise::SeveralNodes);
    }
    let siblings: CpuSet = cpus.iter().flat_map(|cpu| cpu.core.iter()).collect();
    let siblings = siblings.without(&benchmark);
    let permitted = topology.permitted();
    let mut idle = siblings.and(&permitted);
    if idle != siblings {
        compromises.insert(Compromise::BusySiblings);
    }
    let rest = permitted.without(&benchmark);
    let mut housekeeping = rest.without(&idle);
    if housekeeping.is_empty() && !idle.is_empty() {
        compromises.insert(Compromise::BusySiblings);
        housekeeping = std::mem::take(&mut idle);
    } else if housekeeping.is_empty() {
        compromises.insert(Compromise::NoHousekeeping);
        housekeeping = benchmark.clone();
    }
    // Nothing is moved away from a CPU that was isolated at boot: threads would pile up there.
    let balanced = housekeeping.without(&topology.quiet());
    if !balanced.is_empty() {
        housekeeping = balanced;
    }
    let vcpus: Vec<_> = match demand {
        Demand::Vcpus(count) => {
            let cpus: Vec<_> = benchmark.iter().collect();
            let turns = cpus.iter().cycle().take(usize::from(count.get()));
            turns.copied().collect()
        }
        Demand::AsMany => Vec::new(),
    };
    if vcpus.len() > benchmark.len() {
        compromises.insert(Compromise::VcpusTakeTurns);
    }
    let node = nodes.first().copied().filter(|_| nodes.len() == 1);
    Layout {
        emulator: emulator(topology, &housekeeping, &benchmark, node),
        benchmark,
        housekeeping,
        idle,
        vcpus,
        node,
        compromises,
    }
}

/// A CPU that housekeeping can do without: near the benchmark, and not on a core of its.
fn emulator(
    topology: &Topology,
    housekeeping: &CpuSet,
    benchmark: &CpuSet,
    node: Option<u32>,
) -> Option<u32> {
    let spare = housekeeping.without(benchmark);
    if spare.len() < 2 {
        return None;
    }
    let near = |id: &u32| topology.cpu(*id).map(|cpu| cpu.node) == node;
    spare.iter().max_by_key(|id| (near(id), *id))
}

/// How much a layout harms: less is better. See the module's documentation.
fn harm(topology: &Topology, layout: &Layout, demand: Demand) -> impl Ord + use<> {
    let cpus: Vec<_> = layout
        .benchmark
        .iter()
        .filter_map(|id| topology.cpu(id))
        .collect();
    let is = |compromise| layout.compromises.contains(&compromise);
    let caches: BTreeSet<_> = cpus.iter().map(|cpu| cpu.cache.iter().next()).collect();
    let first = topology.permitted().iter().next();
    let first = first.and_then(|id| topology.cpu(id));
    let more = match demand {
        Demand::AsMany => layout.benchmark.len(),
        Demand::Vcpus(_) => 0,
    };
    let turns = layout.vcpus.len().saturating_sub(layout.benchmark.len());
    (
        turns,
        is(Compromise::NoHousekeeping),
        is(Compromise::MixedCores),
        is(Compromise::SharedCores),
        is(Compromise::BusySiblings),
        is(Compromise::SeveralNodes),
        cpus.iter().any(|cpu| !cpu.is_quiet),
        is(Compromise::SlowCores),
        Reverse(more),
        caches.len(),
        first.is_some_and(|first| cpus.iter().any(|cpu| cpu.cache == first.cache)),
        Reverse(layout.benchmark.iter().last()),
    )
}

#[cfg(test)]
#[path = "layout_tests.rs"]
mod tests;
